"""The `ray start` command: KubeRay's in the pod's spec, and the one that runs on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from mnist_local.kuberay import start_params
from mnist_local.kuberay.kubelet import ray_node
from mnist_local.kuberay.kubelet.network import NodeNetwork

NODE = NodeNetwork("127.70.1.2", 20001, 8265, 20002, 20003, 20004, 20005, 20006, 20007, 20008, 20009)
GCS = "127.70.1.2:20001"
CONTAINER = {"name": "ray", "resources": {"limits": {"cpu": "1500m", "memory": "2Gi", "nvidia.com/gpu": "1"}}}


def _flags(command: str) -> dict[str, str]:
    words = [word for word in shlex.split(command) if word.startswith("--")]
    return {name: value for name, _, value in (word.removeprefix("--").partition("=") for word in words)}


def test_resources_come_from_the_container() -> None:
    params = start_params.complete({}, CONTAINER, None)
    assert (params["num-cpus"], params["memory"], params["num-gpus"]) == ("2", str(2 * 2**30), "1")
    assert params["dashboard-host"] == "0.0.0.0"


def test_explicit_parameters_win() -> None:
    params = start_params.complete({"rayStartParams": {"num-cpus": "0", "memory": "5"}}, CONTAINER, "head:6379")
    assert (params["num-cpus"], params["memory"], params["address"]) == ("0", "5", "head:6379")


def test_cpu_request_counts_where_there_is_no_limit() -> None:
    container = {"resources": {"requests": {"cpu": "300m", "memory": "1Gi"}}}
    params = start_params.complete({}, container, None)
    assert params["num-cpus"] == "1"
    assert "memory" not in params


def test_group_resources_and_labels() -> None:
    group = {"resources": {"CPU": "2", "memory": "1Gi", "special": "3"}, "labels": {"b": "2", "a": "1"}}
    params = start_params.complete(group, {}, None)
    assert (params["num-cpus"], params["memory"]) == ("2", str(2**30))
    assert params["resources"] == "'{\"special\": 3}'"
    assert params["labels"] == "a=1,b=2"


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
    assert start_params.command(False, params).split()[2:] == expected


def _localized(command: str, container: dict[str, Any] | None = None) -> dict[str, str]:
    return _flags(ray_node.localized(command, container or {}, NODE, GCS, Path("/tmp/mk-x/1/r0")))


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


def test_quoted_values_survive() -> None:
    command = start_params.command(False, {"resources": "'{\"a b\": 1}'"})
    assert _localized(command)["resources"] == '{"a b": 1}'


def test_environment_of_a_worker_names_the_local_head() -> None:
    env = ray_node.environment(False, NODE, GCS)
    assert env["RAY_ADDRESS"] == GCS
    assert env["RAY_IP"] == "127.70.1.2"
    assert "DASHBOARD_METRIC_PORT" not in env
