"""Turn the `ray start` command that KubeRay put into a pod into one that shares a machine with other Ray nodes."""

import os
import shlex
from pathlib import Path

from mnist_local.kuberay import constants as k
from mnist_local.kuberay import quantity
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubelet.network import NodeNetwork

_MIB = 2**20
_MIN_OBJECT_STORE = 80 * _MIB  # Ray refuses less than 75 MiB
_DEFAULT_MEMORY = 1024 * _MIB
_OBJECT_STORE_SHARE = 0.3  # Ray's own share of a container's memory


def parse(command: str) -> tuple[bool, dict[str, str]]:
    """(is_head, params) of a `ray start` command; bare flags have the value "true"."""
    words = shlex.split(command)
    params = {}
    for word in words[2:]:
        name, separator, value = word.removeprefix("--").partition("=")
        params[name] = value if separator else "true"
    return params.pop("head", None) is not None, params


def localized(command: str, container: Json, node: NodeNetwork, gcs: str, temp_dir: Path) -> str:
    """The shell command for this machine; `gcs` is the address:port of the cluster's head."""
    is_head, params = parse(command)
    params |= {
        "node-ip-address": node.address,
        "node-manager-port": str(node.raylet),
        # A raylet waits 15 s for each port that it must learn from its agents, and then dies: too short if it is busy.
        "dashboard-agent-listen-port": str(node.dashboard_agent),
        "dashboard-agent-grpc-port": str(node.dashboard_agent_grpc),
        "runtime-env-agent-port": str(node.runtime_env_agent),
        "metrics-export-port": str(node.metrics),
        "min-worker-port": "0",
        "max-worker-port": "0",
        "temp-dir": str(temp_dir),
    }
    memory = _memory(params, container)
    params.setdefault("memory", str(memory))
    params.setdefault("object-store-memory", str(max(_MIN_OBJECT_STORE, int(memory * _OBJECT_STORE_SHARE))))
    params.setdefault("num-cpus", str(os.cpu_count() or 1))
    if is_head:
        params |= {"port": str(node.gcs), "dashboard-host": node.address, "dashboard-port": str(node.dashboard)}
        params["ray-client-server-port"] = str(node.client)
        params.setdefault("no-monitor", "true")  # serves autoscalers only, and stands in the way to a ready head
    else:
        params["address"] = gcs
    words = ["exec", "ray", "start", *(["--head"] if is_head else [])]
    for name, value in sorted(params.items()):
        words.append(f"--{name}" if value == "true" else f"--{name}={shlex.quote(value)}")
    return " ".join(words)


def _memory(params: dict[str, str], container: Json) -> int:
    if "memory" in params:
        return int(params["memory"])
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return quantity.round_up(limit) if limit else _DEFAULT_MEMORY


def environment(is_head: bool, node: NodeNetwork, gcs: str) -> dict[str, str]:
    """Variables that must differ from those of a pod with a network of its own."""
    variables = {"RAY_ADDRESS": gcs, "RAY_PORT": gcs.rpartition(":")[2], "RAY_USAGE_STATS_ENABLED": "0"}
    if is_head:
        variables |= {
            "AUTOSCALER_METRIC_PORT": str(node.autoscaler_metrics),
            "DASHBOARD_METRIC_PORT": str(node.dashboard_metrics),
        }
    else:
        address = gcs.rpartition(":")[0]
        variables |= {"FQ_RAY_IP": address, "RAY_IP": address}
    return variables


def start_command(container: Json) -> str | None:
    """The command that KubeRay generated for a Ray container, or None for any other container."""
    for entry in container.get("env") or []:
        if entry["name"] == k.START_COMMAND_VARIABLE:
            return str(entry["value"])
    return None
