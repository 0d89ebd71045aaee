"""The environment of a container, as the kubelet resolves it from a pod's spec."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mnist_local.kuberay.json_types import Json

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ContainerConfigError(Exception):
    """The kubelet's CreateContainerConfigError; the message is the kubelet's."""


@dataclass
class Sources:
    """What a pod refers to, by name; an object that does not exist is missing here."""

    secrets: Mapping[str, Json] = field(default_factory=dict)
    config_maps: Mapping[str, Json] = field(default_factory=dict)


def references(container: Json) -> Iterator[tuple[str, str]]:
    """("secret" | "configmap", name) of everything that a container's environment is made from."""
    for source in container.get("envFrom") or []:
        for key, kind in (("secretRef", "secret"), ("configMapRef", "configmap")):
            if key in source:
                yield kind, source[key]["name"]
    for entry in container.get("env") or []:
        origin = entry.get("valueFrom") or {}
        for key, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
            if key in origin:
                yield kind, origin[key]["name"]


def secret_bytes(secret: Json) -> dict[str, bytes]:
    """The decoded data of a Secret."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def config_map_bytes(config_map: Json) -> dict[str, bytes]:
    """The data of a ConfigMap, texts as UTF-8."""
    texts = {key: value.encode() for key, value in (config_map.get("data") or {}).items()}
    return texts | {key: base64.b64decode(value) for key, value in (config_map.get("binaryData") or {}).items()}


def resolve(container: Json, pod: Json, pod_ip: str, sources: Sources) -> dict[str, str]:
    """Variables in the order of the API: envFrom first, then env, which may refer to what is before it.

    Raises ContainerConfigError where the kubelet would hold the container back.
    """
    variables: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        variables |= _from_whole(source, sources)
    for entry in container.get("env") or []:
        if "valueFrom" in entry:
            value = _from_key(entry["valueFrom"], pod, pod_ip, container, sources)
            if value is not None:
                variables[entry["name"]] = value
        else:
            variables[entry["name"]] = expand(entry.get("value") or "", variables)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Kubernetes' $(NAME) references; unknown ones stay as they are, $$ is a literal $."""

    def replace(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return variables.get(match.group(1), match.group(0))

    return _REFERENCE.sub(replace, text)


def _pick(kind: str, reference: Json, sources: Sources) -> dict[str, bytes] | None:
    """Data of the referenced object; None when it is optional and missing."""
    objects = sources.secrets if kind == "secret" else sources.config_maps
    obj = objects.get(reference["name"])
    if obj is None:
        if reference.get("optional"):
            return None
        raise ContainerConfigError(f'{kind} "{reference["name"]}" not found')
    return secret_bytes(obj) if kind == "secret" else config_map_bytes(obj)


def _from_whole(source: Json, sources: Sources) -> dict[str, str]:
    kind, reference = (
        ("secret", source["secretRef"]) if "secretRef" in source else ("configmap", source["configMapRef"])
    )
    data = _pick(kind, reference, sources) or {}
    prefix = source.get("prefix") or ""
    return {f"{prefix}{key}": value.decode(errors="surrogateescape") for key, value in data.items()}


def _from_key(origin: Json, pod: Json, pod_ip: str, container: Json, sources: Sources) -> str | None:
    if "fieldRef" in origin:
        return field_value(origin["fieldRef"]["fieldPath"], pod, pod_ip)
    if "resourceFieldRef" in origin:
        section, _, name = origin["resourceFieldRef"]["resource"].partition(".")
        return str(((container.get("resources") or {}).get(section) or {}).get(name, "0"))
    kind, label = ("secret", "Secret") if "secretKeyRef" in origin else ("configmap", "ConfigMap")
    reference = origin["secretKeyRef" if kind == "secret" else "configMapKeyRef"]
    data = _pick(kind, reference, sources)
    if data is None:
        return None
    if reference["key"] not in data:
        if reference.get("optional"):
            return None
        where = f"{pod['metadata']['namespace']}/{reference['name']}"
        raise ContainerConfigError(f"couldn't find key {reference['key']} in {label} {where}")
    return data[reference["key"]].decode(errors="surrogateescape")


def field_value(path: str, pod: Json, pod_ip: str) -> str:
    """The downward API's value of a field path."""
    metadata, spec = pod["metadata"], pod["spec"]
    if match := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(match.group(1)) or {}).get(match.group(2), ""))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
        "status.hostIP": "127.0.0.1",
        "status.hostIPs": "127.0.0.1",
    }
    if path not in values:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return str(values[path])
