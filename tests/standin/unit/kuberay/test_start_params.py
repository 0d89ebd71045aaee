"""The `ray start` command: KubeRay's in the pod's spec, and the one that runs on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from mnist_local.kuberay import pods
from mnist_local.kuberay.kubelet import launch
from mnist_local.kuberay.kubelet.network import NodeNetwork

NAMES = (
    "gcs", "client", "raylet", "dashboard_agent", "dashboard_agent_grpc", "runtime_env_agent", "metrics",
    "autoscaler_metrics", "dashboard_metrics",
)  # fmt: skip
NODE = NodeNetwork("127.70.1.2", {"dashboard": 8265, **{name: 20001 + n for n, name in enumerate(NAMES)}})
GCS = "127.70.1.2:20001"
CONTAINER = {"name": "ray", "resources": {"limits": {"cpu": "1500m", "memory": "2Gi", "nvidia.com/gpu": "1"}}}


def _flags(command: str) -> dict[str, str]:
    words = [word for word in shlex.split(command) if word.startswith("--")]
    return {name: value for name, _, value in (word.removeprefix("--").partition("=") for word in words)}


def test_resources_come_from_the_container() -> None:
    params = pods.start_params({}, CONTAINER, None)
    assert (params["num-cpus"], params["memory"], params["num-gpus"]) == ("2", str(2 * 2**30), "1")
    assert params["dashboard-host"] == "0.0.0.0"


def test_explicit_parameters_win() -> None:
    params = pods.start_params({"rayStartParams": {"num-cpus": "0", "memory": "5"}}, CONTAINER, "head:6379")
    assert (params["num-cpus"], params["memory"], params["address"]) == ("0", "5", "head:6379")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"block": "true"}, ["--block"]),
        ({"no-monitor": "false"}, []),
        ({"include-dashboard": "false"}, ["--include-dashboard=false"]),
        ({"port": "1", "address": "a:1"}, ["--address=a:1", "--port=1"]),
    ],
)
def test_flags(params: dict[str, str], expected: list[str]) -> None:
    assert pods.start_command(False, params).split()[2:] == expected


def _localized(command: str, container: dict[str, Any] | None = None) -> dict[str, str]:
    return _flags(launch.ray_start(command, container or {}, NODE, GCS, Path("/tmp/mk-x/1/r0")))


def test_local_head_listens_on_its_own_address_only() -> None:
    flags = _localized("ray start --head --block --dashboard-host=0.0.0.0 --num-cpus=0 --memory=1000000000")
    assert flags["dashboard-host"] == flags["node-ip-address"] == "127.70.1.2"
    assert (flags["port"], flags["dashboard-port"]) == ("20001", "8265")
    assert (flags["num-cpus"], flags["memory"]) == ("0", "1000000000")
    assert flags["object-store-memory"] == "300000000"
    assert (flags["min-worker-port"], flags["max-worker-port"]) == ("0", "0")
    assert "head" in flags
    assert "block" in flags
    assert len(flags["temp-dir"]) <= 39


def test_local_worker_finds_the_local_head() -> None:
    flags = _localized("ray start --address=demo-head-svc.ns.svc.cluster.local:6379 --block")
    assert flags["address"] == GCS
    assert "head" not in flags
    assert "port" not in flags
    assert int(flags["object-store-memory"]) >= 80 * 2**20


def test_local_ports_are_all_different() -> None:
    flags = _localized("ray start --head --block")
    ports = [value for name, value in flags.items() if name.endswith("port") and not name.endswith("worker-port")]
    assert len(set(ports)) == len(ports)
