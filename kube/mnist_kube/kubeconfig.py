"""Which cluster, who we are there and in which namespace: kubectl's rules.

Files are merged and read here; what has to be asked of somebody (`exec` plugins, OIDC) is left to the Kubernetes
client, which is imported for those alone: its import takes 0.4 s of CPU and 44 MB, more than all else that
`mnistctl status` does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnist_kube.connection import Connection, from_entries, in_cluster

_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_ASKED = ("exec", "auth-provider")

Entry = dict[str, Any]


class KubeconfigError(ValueError):
    """There is no usable configuration; one line says what is wrong and where."""


def load(file: Path | None = None, context: str | None = None, env: Mapping[str, str] = os.environ) -> Connection:
    """Read `file`, else the files of $KUBECONFIG, else ~/.kube/config, else the pod that we run in.

    Raises KubeconfigError. May run a plugin, and so take its time.
    """
    paths = _paths(file, env)
    if not paths:
        return _of_pod(context, env)
    config = _merged(paths)
    name = context or config["current-context"]
    chosen = _named(config, "contexts", name)
    cluster = _named(config, "clusters", chosen.get("cluster"))
    user = _named(config, "users", chosen.get("user")) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise KubeconfigError(f"the kubeconfig's cluster {chosen.get('cluster')!r} has no server")
    asked = any(user.get(key) for key in _ASKED)
    connection = _connection(cluster, _asked(paths, str(name)) if asked else user)
    namespace = str(chosen.get("namespace") or "default")
    return replace(connection, namespace=namespace, renewable=asked or connection.renewable)


def _connection(cluster: Entry, user: Entry) -> Connection:
    try:
        return from_entries(cluster, user, Path("/"))
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"the kubeconfig's credentials cannot be read: {_one_line(error)}") from None


def _of_pod(context: str | None, env: Mapping[str, str]) -> Connection:
    try:
        found = None if context else in_cluster(env)
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"the pod's ServiceAccount cannot be read: {_one_line(error)}") from None
    if found is None:
        raise KubeconfigError("no kubeconfig: set KUBECONFIG, or name a file (there is no ~/.kube/config)")
    return found


def _paths(file: Path | None, env: Mapping[str, str]) -> list[Path]:
    if file is not None:
        if not file.exists():
            raise KubeconfigError(f"kubeconfig {file}: there is no such file")
        return [file]
    named = [Path(name) for name in env.get("KUBECONFIG", "").split(os.pathsep) if name]
    if named and not any(path.exists() for path in named):
        raise KubeconfigError(f"KUBECONFIG={env['KUBECONFIG']}: there is no such file")
    return [path for path in named or _usual() if path.exists()]


def _usual() -> list[Path]:
    try:
        return [Path.home() / ".kube" / "config"]
    except RuntimeError:  # no HOME, and a uid that is in no passwd file
        return []


def _merged(paths: list[Path]) -> Entry:
    """All files as one: the first to name something wins. Relative paths in them become absolute."""
    merged: Entry = {"current-context": None, **{section: {} for section in _SECTIONS}}
    for path in paths:
        content = _content(path)
        merged["current-context"] = merged["current-context"] or content.get("current-context")
        for section, kind in _SECTIONS.items():
            for entry in content.get(section) or []:
                merged[section].setdefault(entry.get("name"), _absolute(entry.get(kind) or {}, path.parent))
    return merged


def _content(path: Path) -> Entry:
    import yaml

    try:
        content = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise KubeconfigError(f"{path} is not a kubeconfig: {_one_line(error)}") from None
    if content is not None and not isinstance(content, dict):
        raise KubeconfigError(f"{path} is not a kubeconfig")
    return content or {}


def _absolute(entry: Entry, folder: Path) -> Entry:
    return entry | {key: str((folder / entry[key]).absolute()) for key in _FILES if entry.get(key)}


def _named(config: Entry, section: str, name: str | None) -> Entry:
    if section == "contexts" and not name:
        raise KubeconfigError("the kubeconfig has no current context: name one")
    found: Entry | None = config[section].get(name)
    if found is None:
        known = ", ".join(sorted(map(str, config[section]))) or "none"
        raise KubeconfigError(f"the kubeconfig has no {_SECTIONS[section]} {name!r} (there are: {known})")
    return found


def _asked(paths: list[Path], context: str) -> Entry:
    """Credentials that a plugin or an identity provider gives, as the entry of a user who has them."""
    import logging

    logging.getLogger("kubernetes").setLevel(logging.CRITICAL)  # it logs what it also raises
    try:
        from kubernetes import client, config  # fails where there is no home

        settings = client.Configuration()
        files = os.pathsep.join(map(str, paths))
        config.load_kube_config(files, context, client_configuration=settings, persist_config=False)
    except Exception as error:  # noqa: BLE001 - whatever a plugin does wrong
        raise KubeconfigError(f"context {context}: its plugin gave no credentials: {_one_line(error)}") from None
    entry: Entry = {}
    if authorization := settings.api_key.get("BearerToken"):
        entry["token"] = authorization.removeprefix("Bearer ")
    if settings.cert_file and settings.key_file:
        entry |= {"client-certificate": settings.cert_file, "client-key": settings.key_file}
    if not entry:
        raise KubeconfigError(f"context {context}: its plugin gave no credentials")
    return entry


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
