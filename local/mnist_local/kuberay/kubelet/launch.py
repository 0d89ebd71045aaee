"""The process that stands in for a container: its argv and environment. Pure: all that it depends on is passed in.

KubeRay's `ray start` command is turned into one that shares a machine with other Ray nodes: addresses and ports of its
own, a short folder for its sockets, and the head's address in the place of a Service.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_kube.objects import Object
from mnist_kube.quantity import round_up
from mnist_local.kuberay import names as k
from mnist_local.kuberay.kubelet import network, volumes
from mnist_local.kuberay.kubelet.folders import PodFolders
from mnist_local.kuberay.kubelet.network import Endpoints, NodeNetwork
from mnist_local.kuberay.kubelet.volumes import Sources

POD_UID_VARIABLE = "MNIST_POD_UID"
WORK_DIR_VARIABLE = "MNIST_LOCAL_WORK_DIR"
_INHERITED = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_MIB = 2**20
# What the trainer's image says; the operator leaves it to the image.
IMAGE_ENV = {
    "PYTHONUNBUFFERED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
}
_MIN_OBJECT_STORE = 80 * _MIB  # Ray refuses less than 75 MiB
_DEFAULT_MEMORY = 1024 * _MIB
_OBJECT_STORE_SHARE = 0.3  # Ray's own share of a container's memory


@dataclass(frozen=True)
class Machine:
    """What all pods of this local KubeRay share."""

    api_host: str
    api_port: int
    bin: Path
    work_dir: Path

    def path(self) -> str:
        """Return $PATH of every pod: our own stand-ins, this virtual environment, the system."""
        venv = Path(sys.executable).parent
        return os.pathsep.join([str(self.bin), str(venv), os.environ.get("PATH", os.defpath)])


@dataclass(frozen=True)
class RayPlace:
    """Where a pod's Ray is. `node` is None for a pod that only talks to Ray (a submitter)."""

    node: NodeNetwork | None
    gcs: str
    fallback_token: str = field(repr=False)

    def runs(self, container: Object) -> bool:
        """Whether the container is a Ray node here."""
        return self.node is not None and start_command(container) is not None


@dataclass(frozen=True)
class Launch:
    """What a shim is told to run."""

    argv: list[str]
    env: dict[str, str] = field(repr=False)
    ray_token: str = field(repr=False)


def shim_environment(machine: Machine) -> dict[str, str]:
    """Return the environment of the shim itself: nothing of the pod's, nothing secret."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "PATH": machine.path(), WORK_DIR_VARIABLE: str(machine.work_dir)}


def build(
    container: Object,
    pod: Object,
    folders: PodFolders,
    machine: Machine,
    ray: RayPlace,
    sources: Sources,
    endpoints: Endpoints,
) -> Launch:
    """Return argv and environment of one container.

    Raises ContainerConfigError where the kubelet would not create the container.
    """
    mounted = volumes.mounts(container, folders.volumes)
    own = volumes.resolve(container, pod, ray.node.address if ray.node else "127.0.0.1", sources)
    own = {name: network.localized(volumes.translated(value, mounted), endpoints) for name, value in own.items()}
    token = own.get("RAY_AUTH_TOKEN") or ray.fallback_token
    env = IMAGE_ENV | shim_environment(machine) | own | _given(pod, folders, machine)
    if token:  # on for every pod, since Ray's servers listen on all interfaces
        env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folders.ray_token)}
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if not words:
        raise volumes.ContainerConfigError("no command specified: there is no image whose entrypoint could be used")
    start = start_command(container)
    if ray.node is not None and start is not None:
        env |= ray_environment(parse(start)[0], ray.node, ray.gcs)
        local = ray_start(start, container, ray.node, ray.gcs, folders.ray)
        words = [word.replace(start, local) for word in words]
    return Launch([network.localized(volumes.expand(word, env), endpoints) for word in words], env, token)


def _given(pod: Object, folders: PodFolders, machine: Machine) -> dict[str, str]:
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


# --- ray start -------------------------------------------------------------------------------------------------------


def start_command(container: Object) -> str | None:
    """Return the command that KubeRay generated for a Ray container, or None for any other container."""
    values = (entry["value"] for entry in container.get("env") or [] if entry["name"] == k.START_COMMAND_VARIABLE)
    return next(values, None)


def parse(command: str) -> tuple[bool, dict[str, str]]:
    """Return (is_head, params) of a `ray start` command; bare flags have the value "true"."""
    params = {}
    for word in shlex.split(command)[2:]:
        name, separator, value = word.removeprefix("--").partition("=")
        params[name] = value if separator else "true"
    return params.pop("head", None) is not None, params


def ray_start(command: str, container: Object, node: NodeNetwork, gcs: str, temp_dir: Path) -> str:
    """Return the shell command for this machine; `gcs` is the address:port of the cluster's head."""
    is_head, params = parse(command)
    ports = node.ports
    params |= {
        "node-ip-address": node.address,
        "node-manager-port": str(ports["raylet"]),
        # A raylet waits 15 s for each port that it must learn from its agents, and then dies: too short if it is busy.
        "dashboard-agent-listen-port": str(ports["dashboard_agent"]),
        "dashboard-agent-grpc-port": str(ports["dashboard_agent_grpc"]),
        "runtime-env-agent-port": str(ports["runtime_env_agent"]),
        "metrics-export-port": str(ports["metrics"]),
        "min-worker-port": "0",
        "max-worker-port": "0",
        "temp-dir": str(temp_dir),
    }
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    memory = int(params.setdefault("memory", str(round_up(limit) if limit else _DEFAULT_MEMORY)))
    params.setdefault("object-store-memory", str(max(_MIN_OBJECT_STORE, int(memory * _OBJECT_STORE_SHARE))))
    params.setdefault("num-cpus", str(os.cpu_count() or 1))
    if is_head:
        params |= {"port": str(ports["gcs"]), "dashboard-host": node.address, "dashboard-port": str(ports["dashboard"])}
        params["ray-client-server-port"] = str(ports["client"])
        params.setdefault("no-monitor", "true")  # serves autoscalers only, and stands in the way to a ready head
    else:
        params["address"] = gcs
    words = ["exec", "ray", "start", *(["--head"] if is_head else [])]
    for name, value in sorted(params.items()):
        words.append(f"--{name}" if value == "true" else f"--{name}={shlex.quote(value)}")
    return " ".join(words)


def ray_environment(is_head: bool, node: NodeNetwork, gcs: str) -> Mapping[str, str]:
    """Return the variables that must differ from those of a pod with a network of its own."""
    ports = node.ports
    address, _, port = gcs.rpartition(":")
    variables = {"RAY_ADDRESS": gcs, "RAY_PORT": port, "RAY_USAGE_STATS_ENABLED": "0"}
    if not is_head:
        return variables | {"FQ_RAY_IP": address, "RAY_IP": address}
    return variables | {
        "AUTOSCALER_METRIC_PORT": str(ports["autoscaler_metrics"]),
        "DASHBOARD_METRIC_PORT": str(ports["dashboard_metrics"]),
    }
