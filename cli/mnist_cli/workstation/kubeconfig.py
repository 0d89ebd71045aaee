"""Which cluster, who we are there and in which namespace: kubectl's rules, without the seconds of the generated client.

Tokens and certificates are read here; what has to be asked of somebody (`exec` plugins, OIDC) is left to the
Kubernetes client, which is imported for those alone.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mnist_cli.errors import CommandError
from mnist_local.kuberay import kubeconfig
from mnist_local.kuberay.kubeconfig import Connection

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_ASKED = ("exec", "auth-provider")

Entry = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A cluster as a context names it. `renewable`: the credentials may be other ones when it is read again."""

    connection: Connection
    namespace: str
    renewable: bool


def load(file: Path | None = None, context: str | None = None, env: Mapping[str, str] = os.environ) -> Target:
    """Read `file`, else the files of $KUBECONFIG, else ~/.kube/config, else the pod that we run in.

    Raises CommandError with one line.
    """
    paths = _paths(file, env)
    if not paths:
        return _in_cluster(context, env)
    config = _merged(paths)
    chosen = _named(config, "contexts", context or config["current-context"])
    cluster = _named(config, "clusters", chosen.get("cluster"))
    user = _named(config, "users", chosen.get("user")) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise CommandError(f"the kubeconfig's cluster {chosen.get('cluster')!r} has no server")
    renewable = any(user.get(key) for key in (*_ASKED, "tokenFile"))
    if any(user.get(key) for key in _ASKED):
        user = _asked(paths, context or config["current-context"])
    try:
        connection = kubeconfig.connection(cluster, user, Path("/"))
    except (OSError, ValueError, ssl.SSLError) as error:
        raise CommandError(f"the kubeconfig's credentials cannot be read: {_one_line(error)}") from None
    return Target(_completed(connection, cluster), str(chosen.get("namespace") or "default"), renewable)


def _paths(file: Path | None, env: Mapping[str, str]) -> list[Path]:
    if file is not None:
        if not file.exists():
            raise CommandError(f"--kubeconfig {file}: there is no such file")
        return [file]
    named = [Path(name) for name in env.get("KUBECONFIG", "").split(os.pathsep) if name]
    if named and not any(path.exists() for path in named):
        raise CommandError(f"KUBECONFIG={env['KUBECONFIG']}: there is no such file")
    return [path for path in named or _usual() if path.exists()]


def _usual() -> list[Path]:
    try:
        return [Path.home() / ".kube" / "config"]
    except RuntimeError:  # no HOME, and a uid that is in no passwd file
        return []


def _merged(paths: list[Path]) -> Entry:
    """All files as one: the first to name something wins. Relative paths in them become absolute."""
    import yaml

    merged: Entry = {"current-context": None, **{section: {} for section in _SECTIONS}}
    for path in paths:
        try:
            content = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CommandError(f"{path} is not a kubeconfig: {_one_line(error)}") from None
        if content is None:
            continue
        if not isinstance(content, dict):
            raise CommandError(f"{path} is not a kubeconfig")
        merged["current-context"] = merged["current-context"] or content.get("current-context")
        for section, kind in _SECTIONS.items():
            for entry in content.get(section) or []:
                merged[section].setdefault(entry.get("name"), _absolute(entry.get(kind) or {}, path.parent))
    return merged


def _absolute(entry: Entry, folder: Path) -> Entry:
    return entry | {key: str((folder / entry[key]).absolute()) for key in _FILES if entry.get(key)}


def _named(config: Entry, section: str, name: str | None) -> Entry:
    if section == "contexts" and not name:
        raise CommandError("the kubeconfig has no current context: give --context NAME")
    found: Entry | None = config[section].get(name)
    if found is None:
        known = ", ".join(sorted(map(str, config[section]))) or "none"
        raise CommandError(f"the kubeconfig has no {_SECTIONS[section]} {name!r} (there are: {known})")
    return found


def _asked(paths: list[Path], context: str) -> Entry:
    """Credentials that a plugin or an identity provider gives, as the entry of a user who has them."""
    import logging

    from kubernetes import client, config

    logging.getLogger("kubernetes").setLevel(logging.CRITICAL)  # it logs what it also raises
    settings = client.Configuration()
    try:
        files = os.pathsep.join(map(str, paths))
        config.load_kube_config(files, context, client_configuration=settings, persist_config=False)
    except Exception as error:  # noqa: BLE001 - whatever a plugin does wrong
        raise CommandError(f"context {context}: its plugin gave no credentials: {_one_line(error)}") from None
    entry: Entry = {}
    if authorization := settings.api_key.get("BearerToken"):
        entry["token"] = authorization.removeprefix("Bearer ")
    if settings.cert_file and settings.key_file:
        entry |= {"client-certificate": settings.cert_file, "client-key": settings.key_file}
    if not entry:
        raise CommandError(f"context {context}: its plugin gave no credentials")
    return entry


def _in_cluster(context: str | None, env: Mapping[str, str]) -> Target:
    token, ca = _SERVICE_ACCOUNT / "token", _SERVICE_ACCOUNT / "ca.crt"
    host = env.get("KUBERNETES_SERVICE_HOST")
    if context or not host or not token.is_file():
        raise CommandError("no kubeconfig: set KUBECONFIG or give --kubeconfig FILE (there is no ~/.kube/config)")
    host = f"[{host}]" if ":" in host else host
    cluster = {
        "server": f"https://{host}:{env.get('KUBERNETES_SERVICE_PORT', '443')}",
        "certificate-authority": str(ca),
    }
    connection = kubeconfig.connection(cluster, {"tokenFile": str(token)}, Path("/"))
    namespace = (_SERVICE_ACCOUNT / "namespace").read_text().strip()
    return Target(_completed(connection, {}), namespace, renewable=True)


def _completed(connection: Connection, cluster: Entry) -> Connection:
    proxy = cluster.get("proxy-url")
    if not proxy and not urllib.request.proxy_bypass(connection.host):
        proxy = urllib.request.getproxies().get(connection.server.partition(":")[0])
    return replace(
        connection, proxy=proxy or None, server_name=cluster.get("tls-server-name") or None, user_agent="mnistctl"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
