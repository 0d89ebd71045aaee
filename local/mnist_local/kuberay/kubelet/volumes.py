"""A pod's volumes as folders, and where a container's mount paths are found on this machine."""

from collections.abc import Iterator
from pathlib import Path

from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubelet import environment
from mnist_local.kuberay.kubelet.environment import Sources


class MountError(Exception):
    """A volume cannot be set up yet; the message is the kubelet's."""


def _volumes(pod: Json) -> list[Json]:
    """All volumes but the one that admission adds for the ServiceAccount, which has a folder of its own here."""
    return [
        volume
        for volume in pod["spec"].get("volumes") or []
        if not any("serviceAccountToken" in source for source in (volume.get("projected") or {}).get("sources") or [])
    ]


def references(pod: Json) -> Iterator[tuple[str, str]]:
    """("secret" | "configmap", name) of everything that the pod's volumes are made from."""
    for volume in _volumes(pod):
        for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            if "secret" in source:
                yield "secret", source["secret"].get("secretName") or source["secret"]["name"]
            if "configMap" in source:
                yield "configmap", source["configMap"]["name"]


def set_up(pod: Json, folder: Path, sources: Sources) -> None:
    """Make `folder/<volume>` for every volume. Raises MountError for a missing Secret or ConfigMap.

    Kinds that have no meaning here (claims, host paths) become empty folders.
    """
    for volume in _volumes(pod):
        path = folder / volume["name"]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            for name, content in _files(volume["name"], source, sources).items():
                _write_private(path / name, content)


def _files(volume: str, source: Json, sources: Sources) -> dict[str, bytes]:
    spec = source.get("secret") or source.get("configMap")
    if spec is None:
        return {}
    name = spec.get("secretName") or spec["name"]
    kind = "secret" if "secret" in source else "configmap"
    obj = (sources.secrets if kind == "secret" else sources.config_maps).get(name)
    if obj is None:
        if spec.get("optional"):
            return {}
        raise MountError(f'MountVolume.SetUp failed for volume "{volume}" : {kind} "{name}" not found')
    data = environment.secret_bytes(obj) if kind == "secret" else environment.config_map_bytes(obj)
    if items := spec.get("items"):
        return {item["path"]: data[item["key"]] for item in items if item["key"] in data}
    return data


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    path.write_bytes(content)


def mounts(container: Json, folder: Path) -> dict[str, Path]:
    """Folder on this machine by mount path."""
    found = {}
    for mount in container.get("volumeMounts") or []:
        path = folder / mount["name"]
        if sub_path := mount.get("subPath"):
            path = path / sub_path
        found[mount["mountPath"].rstrip("/") or "/"] = path
    return found


def translated(value: str, mounted: dict[str, Path]) -> str:
    """The value with a leading mount path replaced by its folder; any other value as it is."""
    for mount_path in sorted(mounted, key=len, reverse=True):
        if value == mount_path or value.startswith(f"{mount_path}/"):
            return str(mounted[mount_path]) + value[len(mount_path) :]
    return value
