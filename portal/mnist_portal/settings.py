"""What an installation of the portal may choose: the environment's MNIST_PORTAL_*, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_PREFIX = "MNIST_PORTAL_"


class SettingsError(ValueError):
    """A variable that cannot be used; one line says which, and why."""


class Mode(StrEnum):
    """How the portal learns who asks."""

    LOCAL = "local"
    """One person's kubeconfig, on this machine, opened with a one-time token."""
    TOKEN = "token"  # noqa: S105 - a mode, not a secret
    """A bearer token for the API server: from the Authorization header of a proxy, or pasted at the login page."""
    HEADER = "header"
    """A user's name from a trusted proxy that proves itself; the portal impersonates that user."""


@dataclass(frozen=True)
class Settings:
    """What may be chosen. Each field is the variable MNIST_PORTAL_<FIELD> of a pod."""

    mode: Mode = Mode.LOCAL
    host: str = "127.0.0.1"
    port: int = 0
    metrics_port: int = -1
    """Port of /healthz, /readyz and /metrics; 0 takes a free one, below 0 there is none."""
    ray_port: int = -1
    """Port, and so origin of its own, of the Ray dashboards; 0 takes a free one, below 0 there is none."""
    hosts: tuple[str, ...] = ()
    """Names (with a port unless it is the scheme's) that browsers reach the portal by; the Host header must be one."""
    ray_url: str = ""
    """Address of the Ray dashboards' port as browsers see it, such as https://ray.example.org."""
    secure: bool = False
    """Whether browsers come by HTTPS: then the cookie is never sent without."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to show; empty: all that whoever asks may list trainings in."""
    api_server: str = "https://kubernetes.default.svc"
    api_ca_file: Path = Path("/etc/mnist-portal/kube/ca.crt")
    token_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    """Mode `header`: the pod's own token, which may do nothing but impersonate."""
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"
    proxy_secret_file: Path | None = None
    """Mode `header`: a file with what the proxy sends in X-Portal-Proxy-Secret, at least 32 characters."""
    session_seconds: float = 8 * 3600.0
    idle_seconds: float = 3600.0
    max_sessions: int = 1000
    verify_seconds: float = 30.0
    """Seconds after which a token is shown to the API server again: one that has run out ends its pages."""
    feed_idle_seconds: float = 300.0
    """Seconds without a page after which a watch ends."""
    log_level: str = "INFO"
    stores: tuple[str, ...] = field(default=())
    """Hosts of object stores that may be asked; empty: any but the portal's own machine and link-local ones."""

    @property
    def is_local(self) -> bool:
        """Whether it runs on the machine of the one person who uses it."""
        return self.mode is Mode.LOCAL


def from_env(env: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a pod. Raises SettingsError."""
    return Settings(
        mode=_mode(env),
        host=_text(env, "HOST", "0.0.0.0"),
        port=_whole(env, "PORT", 8080),
        metrics_port=_whole(env, "METRICS_PORT", 8081),
        ray_port=_whole(env, "RAY_PORT", -1),
        hosts=_names(env, "HOSTS"),
        ray_url=_text(env, "RAY_URL", "").rstrip("/"),
        secure=_text(env, "SECURE", "true").lower() != "false",
        namespaces=_names(env, "NAMESPACES"),
        api_server=_text(env, "API_SERVER", Settings.api_server).rstrip("/"),
        api_ca_file=Path(_text(env, "API_CA_FILE", str(Settings.api_ca_file))),
        user_header=_text(env, "USER_HEADER", Settings.user_header),
        groups_header=_text(env, "GROUPS_HEADER", Settings.groups_header),
        proxy_secret_file=_file(env, "PROXY_SECRET_FILE"),
        session_seconds=_whole(env, "SESSION_SECONDS", int(Settings.session_seconds)),
        idle_seconds=_whole(env, "IDLE_SECONDS", int(Settings.idle_seconds)),
        max_sessions=_whole(env, "MAX_SESSIONS", Settings.max_sessions),
        log_level=_text(env, "LOG_LEVEL", "INFO").upper(),
        stores=_names(env, "STORES"),
    )


def check(settings: Settings) -> None:
    """Raise SettingsError for settings that would be unsafe or of no use."""
    if settings.is_local:
        return
    if not settings.hosts:
        raise SettingsError(f"{_PREFIX}HOSTS is empty: name the hosts that browsers reach the portal by")
    if settings.mode is Mode.HEADER:
        _proxy_secret(settings)


def proxy_secret(settings: Settings) -> str:
    """What the trusted proxy proves itself with, read anew so that it can be rotated. Raises SettingsError."""
    return _proxy_secret(settings)


def _proxy_secret(settings: Settings) -> str:
    if settings.proxy_secret_file is None:
        raise SettingsError(
            f"mode `header` needs {_PREFIX}PROXY_SECRET_FILE: else anybody who reaches the pod could name any user"
        )
    try:
        secret = settings.proxy_secret_file.read_text().strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{settings.proxy_secret_file}: cannot be read: {error}") from None
    if len(secret) < 32:
        raise SettingsError(f"{settings.proxy_secret_file}: the proxy's secret needs at least 32 characters")
    return secret


def _mode(env: Mapping[str, str]) -> Mode:
    text = _text(env, "MODE", Mode.TOKEN)
    if text not in (Mode.TOKEN, Mode.HEADER):
        raise SettingsError(f"{_PREFIX}MODE is `token` or `header`, not {text!r}")
    return Mode(text)


def _text(env: Mapping[str, str], name: str, default: str) -> str:
    return env.get(_PREFIX + name, "").strip() or default


def _names(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _text(env, name, "").split(",") if part.strip())


def _file(env: Mapping[str, str], name: str) -> Path | None:
    text = _text(env, name, "")
    return Path(text) if text else None


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = _text(env, name, str(default))
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{_PREFIX}{name} is a whole number, not {text!r}") from None
