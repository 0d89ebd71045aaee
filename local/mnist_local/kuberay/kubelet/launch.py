"""The process that stands in for a container: its argv and environment. Pure: everything it depends on is passed in."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubelet import environment, ray_node, services, volumes
from mnist_local.kuberay.kubelet.environment import Sources
from mnist_local.kuberay.kubelet.folders import PodFolders
from mnist_local.kuberay.kubelet.network import NodeNetwork

POD_UID_VARIABLE = "MNIST_POD_UID"
WORK_DIR_VARIABLE = "MNIST_LOCAL_WORK_DIR"
_INHERITED = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_CONFIG_MESSAGE = "no command specified"


@dataclass(frozen=True)
class Machine:
    """What all pods of this local KubeRay share."""

    api_host: str
    api_port: int
    bin: Path
    work_dir: Path

    def path(self) -> str:
        """$PATH of every pod: our own stand-ins, this virtual environment, the system."""
        venv = Path(sys.executable).parent
        return os.pathsep.join([str(self.bin), str(venv), os.environ.get("PATH", os.defpath)])


@dataclass(frozen=True)
class RayPlace:
    """Where a pod's Ray is. `node` is None for a pod that only talks to Ray (a submitter)."""

    node: NodeNetwork | None
    gcs: str
    fallback_token: str = field(repr=False)


@dataclass(frozen=True)
class Launch:
    """What a supervisor is told to run."""

    argv: list[str]
    env: dict[str, str] = field(repr=False)
    ray_token: str = field(repr=False)


def supervisor_environment(machine: Machine) -> dict[str, str]:
    """The environment of the supervisor itself: nothing of the pod's, nothing secret."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "PATH": machine.path(), WORK_DIR_VARIABLE: str(machine.work_dir)}


def build(
    container: Json,
    pod: Json,
    folders: PodFolders,
    machine: Machine,
    ray: RayPlace,
    sources: Sources,
    endpoints: services.Endpoints,
    restart: int,
) -> Launch:
    """Argv and environment of one container.

    Raises ContainerConfigError where the kubelet would not create the container.
    """
    pod_ip = ray.node.address if ray.node else "127.0.0.1"
    mounted = volumes.mounts(container, folders.volumes)
    own = environment.resolve(container, pod, pod_ip, sources)
    own = {name: services.localized(volumes.translated(value, mounted), endpoints) for name, value in own.items()}
    token = own.get("RAY_AUTH_TOKEN") or ray.fallback_token
    env = {
        **supervisor_environment(machine),
        **own,
        **_given(pod, folders, machine),
        **_ray_environment(container, folders, ray, bool(token)),
    }
    argv = _argv(container, env, folders, ray, restart)
    return Launch([services.localized(word, endpoints) for word in argv], env, token)


def _given(pod: Json, folders: PodFolders, machine: Machine) -> dict[str, str]:
    """Variables that this machine decides, whatever the pod says."""
    given = {
        "PATH": machine.path(),
        "HOME": str(folders.home),
        "TMPDIR": str(folders.temporary),
        "HOSTNAME": pod["metadata"]["name"],
        "KUBERNETES_SERVICE_HOST": machine.api_host,
        "KUBERNETES_SERVICE_PORT": str(machine.api_port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(machine.api_port),
        "MNIST_SCRATCH_DIR": str(folders.scratch),
        POD_UID_VARIABLE: pod["metadata"]["uid"],
    }
    if folders.service_account.is_dir():
        given["MNIST_SERVICEACCOUNT_DIR"] = str(folders.service_account)
    return given


def _ray_environment(container: Json, folders: PodFolders, ray: RayPlace, has_token: bool) -> dict[str, str]:
    """Token authentication is on for every pod, since Ray's servers listen on all interfaces."""
    env = {}
    if has_token:
        env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folders.ray_token)}
    start = ray_node.start_command(container)
    if ray.node is not None and start is not None:
        env |= ray_node.environment(ray_node.parse(start)[0], ray.node, ray.gcs)
    return env


def _argv(container: Json, env: Mapping[str, str], folders: PodFolders, ray: RayPlace, restart: int) -> list[str]:
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if not words:
        raise environment.ContainerConfigError(f"{_CONFIG_MESSAGE}: there is no image whose entrypoint could be used")
    start = ray_node.start_command(container)
    if ray.node is not None and start is not None:
        local = ray_node.localized(start, container, ray.node, ray.gcs, folders.ray(restart))
        words = [word.replace(start, local) for word in words]
    return [environment.expand(word, env) for word in words]
