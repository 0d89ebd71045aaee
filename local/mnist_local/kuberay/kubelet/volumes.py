"""What a container gets from the API: variables, volumes as folders, and the identity of its ServiceAccount.

Messages are the kubelet's, since they reach users through the pod's status and events.
"""

import asyncio
import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path

from mnist_kube.client import KubeApi
from mnist_kube.objects import Object
from mnist_kube.resources import SECRETS, SERVICEACCOUNTS
from mnist_kube.times import now, parse

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_LABEL = re.compile(r"metadata\.labels\['([^']+)'\]")
_TOKEN_LIFETIME_S = 3607  # what the kubelet asks for
_TOKEN_REFRESH_AT = 0.8


class ContainerConfigError(Exception):
    """The kubelet's CreateContainerConfigError."""


class MountError(Exception):
    """A volume cannot be set up yet."""


Sources = Mapping[str, Mapping[str, bytes]]
"""The data of the Secrets that a pod refers to, by name; what does not exist is missing here."""


def _pick(sources: Sources, name: str, reference: Object) -> Mapping[str, bytes]:
    """The data of a Secret; nothing when it is optional and missing. Raises LookupError."""
    if name not in sources and not reference.get("optional"):
        raise LookupError(f'secret "{name}" not found')
    return sources.get(name, {})


async def read_sources(api: KubeApi, pod: Object) -> Sources:
    """Fetch all Secrets that the pod refers to and that exist."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    wanted = {volume["secret"]["secretName"] for volume in spec.get("volumes") or [] if "secret" in volume}
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        entries = [entry.get("valueFrom") or {} for entry in container.get("env") or []]
        found = [each.get("secretRef") or each.get("secretKeyRef") for each in [*_env_from(container), *entries]]
        wanted |= {reference["name"] for reference in found if reference}
    names = sorted(wanted)
    secrets = await asyncio.gather(*(api.find(SECRETS.path(namespace, name)) for name in names))
    return {
        name: {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        for name, secret in zip(names, secrets, strict=True)
        if secret is not None
    }


# --- variables -------------------------------------------------------------------------------------------------------


def _env_from(container: Object) -> list[Object]:
    return container.get("envFrom") or []


def resolve(container: Object, pod: Object, pod_ip: str, sources: Sources) -> dict[str, str]:
    """Return the variables in the API's order: envFrom first, then env, which may refer to what is before it.

    Raises ContainerConfigError where the kubelet would hold the container back.
    """
    variables: dict[str, str] = {}
    try:
        for source in _env_from(container):
            if reference := source.get("secretRef"):
                data = _pick(sources, reference["name"], reference)
                variables |= {key: value.decode(errors="surrogateescape") for key, value in data.items()}
        for entry in container.get("env") or []:
            if "valueFrom" not in entry:
                variables[entry["name"]] = expand(entry.get("value") or "", variables)
            elif (value := _from(entry["valueFrom"], pod, pod_ip, sources)) is not None:
                variables[entry["name"]] = value
    except LookupError as error:
        raise ContainerConfigError(error.args[0]) from error
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with Kubernetes' $(NAME) references resolved; unknown ones stay as they are, $$ is a $."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match.group(0) == "$$" else variables.get(match.group(1), match.group(0))

    return _REFERENCE.sub(replace, text)


def _from(origin: Object, pod: Object, pod_ip: str, sources: Sources) -> str | None:
    if "fieldRef" in origin:
        return _field(origin["fieldRef"]["fieldPath"], pod, pod_ip)
    reference = origin.get("secretKeyRef")
    if reference is None:
        raise LookupError(f"the local KubeRay knows no variables from {', '.join(origin)}")
    data = _pick(sources, reference["name"], reference)
    if reference["key"] in data:
        return data[reference["key"]].decode(errors="surrogateescape")
    if reference.get("optional"):
        return None
    raise LookupError(
        f"couldn't find key {reference['key']} in Secret {pod['metadata']['namespace']}/{reference['name']}"
    )


def _field(path: str, pod: Object, pod_ip: str) -> str:
    metadata = pod["metadata"]
    if match := _LABEL.fullmatch(path):
        return str(metadata["labels"].get(match.group(1), ""))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "status.podIP": pod_ip,
    }
    if path not in values:
        raise LookupError(f"unsupported fieldPath: {path}")
    return str(values[path])


# --- volumes ---------------------------------------------------------------------------------------------------------


def set_up(pod: Object, folder: Path, sources: Sources) -> None:
    """Make `folder/<volume>` for every volume. Raises MountError for a missing Secret.

    Kinds that have no meaning here (claims, host paths) become empty folders, and so do projected ones: that of the
    ServiceAccount has a folder of its own.
    """
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        if reference := volume.get("secret"):
            try:
                data = _pick(sources, reference["secretName"], reference)
            except LookupError as error:
                raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error.args[0]}') from error
            for key, content in data.items():
                _write(folder / name / key, content)


def mounts(container: Object, folder: Path) -> dict[str, Path]:
    """Return the folder on this machine by mount path."""
    return {
        mount["mountPath"].rstrip("/") or "/": folder / mount["name"] for mount in container.get("volumeMounts") or []
    }


def translated(value: str, mounted: Mapping[str, Path]) -> str:
    """Return the value with a leading mount path replaced by its folder; any other value as it is."""
    for mount_path in sorted(mounted, key=len, reverse=True):
        if value == mount_path or value.startswith(f"{mount_path}/"):
            return str(mounted[mount_path]) + value[len(mount_path) :]
    return value


def _write(path: Path, content: bytes) -> None:
    """Write so that a reader sees either the old or the new content, and nobody else anything."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)


# --- ServiceAccount --------------------------------------------------------------------------------------------------


def service_account_of(pod: Object) -> str:
    """Return the name of the ServiceAccount that the pod runs as."""
    return str(pod["spec"].get("serviceAccountName") or "default")


async def write_service_account(api: KubeApi, pod: Object, folder: Path) -> float:
    """Fetch a token bound to the pod and write token, ca.crt and namespace; returns the seconds until the next time.

    Raises ApiError, 404 for a ServiceAccount that does not exist.
    """
    metadata = pod["metadata"]
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "expirationSeconds": _TOKEN_LIFETIME_S,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
        },
    }
    path = SERVICEACCOUNTS.path(metadata["namespace"], service_account_of(pod), "token")
    status = (await api.create(path, request))["status"]
    files = {"token": status["token"], "ca.crt": api.connection.ca_pem, "namespace": metadata["namespace"]}
    for name, text in files.items():
        _write(folder / name, text.encode())
    return max(1.0, (parse(status["expirationTimestamp"]) - now()).total_seconds() * _TOKEN_REFRESH_AT)
