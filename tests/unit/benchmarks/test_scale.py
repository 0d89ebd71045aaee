"""Parts of operator_scale.py: what it lays into a cluster, and what it prints."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.scale.costs import Cost
from benchmarks.scale.crowd import finished_status
from benchmarks.scale.operator import Usage
from benchmarks.scale.report import Measured, Restart, costs_table, table
from benchmarks.scale.server import ServerCpu

from mnist_operator.api.status import MnistTrainingStatus
from mnist_operator.cache import ClusterState


def usage(cpu: float, **requests: int) -> Usage:
    return Usage({key.replace("_", " "): number for key, number in requests.items()}, cpu, 100.0, 90.0)


def measured(**fields: Any) -> Measured:
    begin = usage(1.0, GET_200=2)
    found = {
        "alone": [],
        "crowd": [1.0, 3.0],
        "wall": 3.5,
        "lives_wall": None,
        "before": begin,
        "after_children": usage(2.0, GET_200=2, POST_201=14),
        "after_rest": usage(2.1, GET_200=2, POST_201=14),
        "end": usage(2.1, GET_200=2, POST_201=14),
        "children": {"RayCluster": 1, "RayJob": 0},
    }
    return Measured(**{**found, **fields})


def test_a_finished_training_is_one_that_the_operator_lets_rest() -> None:
    status = finished_status("a")
    read = MnistTrainingStatus.model_validate(status)
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == status, "no field of its own invention"
    state, metadata = ClusterState(), {"namespace": "ns", "name": "a", "uid": "u", "generation": 1}
    state.trainings.put({"metadata": metadata, "spec": {}, "status": status})
    assert state.rests("ns", "a")


def test_requests_and_cpu_are_told_per_training() -> None:
    text = table(measured(server={"kube-apiserver": 0.05}), 2)
    assert "| requests per training, until its RayCluster is there | 7.00 |" in text
    assert "| CPU of the operator | 1.0 s, 500.0 ms per training |" in text
    assert "| CPU of the kube-apiserver | 0.1 s, 25.0 ms per training |" in text
    assert "| children of a training at the end | 1 RayCluster |" in text
    assert text.endswith("Requests: POST 201: 14")


def test_a_start_among_finished_trainings_needs_no_crowd() -> None:
    restart = Restart(20_000, 5.13, usage(4.0, GET_200=42), usage(4.2, GET_200=42))
    text = table(measured(crowd=[], restart=restart), 0)
    assert "| start until ready, 20000 finished trainings there | 5.1 s |" in text
    assert "at once" not in text


def test_costs_are_a_column_for_each_process() -> None:
    costs = [
        Cost("create a x", {"kube-apiserver": 4.04, "etcd": 0.5}),
        Cost("update it", {"kube-apiserver": 3, "etcd": 1}),
    ]
    assert costs_table(costs).splitlines() == [
        "| request, ms of CPU each | kube-apiserver | etcd |",
        "|---|---|---|",
        "| create a x | 4.0 | 0.5 |",
        "| update it | 3.0 | 1.0 |",
    ]


def test_a_process_that_is_named_is_the_one_that_is_timed() -> None:
    cpu = ServerCpu.find(os.getpid())
    assert cpu is not None
    first, *_ = cpu.processes.values()
    assert [process.pid for process in first] == [os.getpid()]
    before = cpu.seconds()
    sum(range(2_000_000))
    assert sum(cpu.seconds().values()) >= sum(before.values())
