"""What a container gets from the API: variables, volumes as folders, and the identity of its ServiceAccount.

Messages are the kubelet's, since they reach users through the pod's status and events.
"""

import asyncio
import base64
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_kube.client import KubeApi
from mnist_kube.objects import Object
from mnist_kube.resources import CONFIGMAPS, SECRETS, SERVICEACCOUNTS
from mnist_kube.times import now, parse

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_TOKEN_LIFETIME_S = 3607  # what the kubelet asks for
_TOKEN_REFRESH_AT = 0.8


class ContainerConfigError(Exception):
    """The kubelet's CreateContainerConfigError."""


class MountError(Exception):
    """A volume cannot be set up yet."""


@dataclass
class Sources:
    """The data of the Secrets and ConfigMaps that a pod refers to, by name; what does not exist is missing here."""

    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    config_maps: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    def pick(self, kind: str, reference: Object) -> Mapping[str, bytes] | None:
        """Return the data of the referenced object, None when it is optional and missing. Raises LookupError."""
        name = reference.get("secretName") or reference["name"]
        data = (self.secrets if kind == "secret" else self.config_maps).get(name)
        if data is None and not reference.get("optional"):
            raise LookupError(f'{kind} "{name}" not found')
        return data


async def read_sources(api: KubeApi, pod: Object) -> Sources:
    """Fetch all Secrets and ConfigMaps that the pod refers to and that exist."""
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    wanted = {*_volume_references(pod), *(reference for each in containers for reference in _references(each))}
    resources = {"secret": SECRETS, "configmap": CONFIGMAPS}

    async def data_of(kind: str, name: str) -> tuple[str, str, dict[str, bytes]] | None:
        obj = await api.find(resources[kind].path(pod["metadata"]["namespace"], name))
        return None if obj is None else (kind, name, _data(obj))

    found = [each for each in await asyncio.gather(*(data_of(*each) for each in sorted(wanted))) if each is not None]
    return Sources(
        secrets={name: data for kind, name, data in found if kind == "secret"},
        config_maps={name: data for kind, name, data in found if kind == "configmap"},
    )


def _data(obj: Object) -> dict[str, bytes]:
    if obj.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    texts = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return texts | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


# --- variables -------------------------------------------------------------------------------------------------------


def _references(container: Object) -> Iterator[tuple[str, str]]:
    entries = [entry.get("valueFrom") or {} for entry in container.get("env") or []]
    for source in [*(container.get("envFrom") or []), *entries]:
        for key, kind in (("secret", "secret"), ("configMap", "configmap")):
            if reference := source.get(f"{key}Ref") or source.get(f"{key}KeyRef"):
                yield kind, reference["name"]


def resolve(container: Object, pod: Object, pod_ip: str, sources: Sources) -> dict[str, str]:
    """Return the variables in the API's order: envFrom first, then env, which may refer to what is before it.

    Raises ContainerConfigError where the kubelet would hold the container back.
    """
    variables: dict[str, str] = {}
    try:
        for source in container.get("envFrom") or []:
            kind = "secret" if "secretRef" in source else "configmap"
            data = sources.pick(kind, source.get("secretRef") or source["configMapRef"]) or {}
            prefix = source.get("prefix") or ""
            variables |= {f"{prefix}{key}": value.decode(errors="surrogateescape") for key, value in data.items()}
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
    kind, label = ("secret", "Secret") if "secretKeyRef" in origin else ("configmap", "ConfigMap")
    reference = origin.get("secretKeyRef") or origin["configMapKeyRef"]
    data = sources.pick(kind, reference) or {}
    if reference["key"] in data:
        return data[reference["key"]].decode(errors="surrogateescape")
    if reference.get("optional"):
        return None
    where = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise LookupError(f"couldn't find key {reference['key']} in {label} {where}")


def _field(path: str, pod: Object, pod_ip: str) -> str:
    metadata = pod["metadata"]
    if match := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(match.group(1)) or {}).get(match.group(2), ""))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": service_account_of(pod),
        "status.podIP": pod_ip,
        "status.hostIP": "127.0.0.1",
    }
    if path not in values:
        raise LookupError(f"unsupported fieldPath: {path}")
    return str(values[path])


# --- volumes ---------------------------------------------------------------------------------------------------------


def _volume_references(pod: Object) -> Iterator[tuple[str, str]]:
    for volume in pod["spec"].get("volumes") or []:
        if "secret" in volume:
            yield "secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "configmap", volume["configMap"]["name"]


def set_up(pod: Object, folder: Path, sources: Sources) -> None:
    """Make `folder/<volume>` for every volume. Raises MountError for a missing Secret or ConfigMap.

    Kinds that have no meaning here (claims, host paths) become empty folders, and so do projected ones: that of the
    ServiceAccount has a folder of its own.
    """
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        reference = volume.get("secret") or volume.get("configMap")
        if reference is None:
            continue
        try:
            data = sources.pick("secret" if "secret" in volume else "configmap", reference) or {}
        except LookupError as error:
            raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error.args[0]}') from error
        items = reference.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            if item["key"] in data:
                _write(folder / name / item["path"], data[item["key"]])


def mounts(container: Object, folder: Path) -> dict[str, Path]:
    """Return the folder on this machine by mount path."""
    return {
        mount["mountPath"].rstrip("/") or "/": folder / mount["name"] / (mount.get("subPath") or "")
        for mount in container.get("volumeMounts") or []
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
