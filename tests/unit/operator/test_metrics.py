"""What the operator exports of trainings: stages, reasons, cost; and never more series than the setting allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from mnist_kube.times import timestamp
from mnist_operator.cache import ClusterState
from mnist_operator.children.cluster import ray_cluster
from mnist_operator.children.pods import requested
from mnist_operator.children.training import Installation, training_of
from mnist_operator.metrics.exporter import Metrics
from mnist_operator.metrics.trainings import Bounds, TrainingsCollector, chosen
from mnist_operator.metrics.transitions import Transitions

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def training(name: str = "a", phase: str | None = None, created: float = 0, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "creationTimestamp": timestamp(at(created))}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, **status} if phase else {}}


def condition(kind: str, status: str, since: float) -> dict[str, str]:
    return {"type": kind, "status": status, "lastTransitionTime": timestamp(at(since)), "reason": "X"}


def conditions(cluster: tuple[str, float], job: tuple[str, float]) -> list[dict[str, str]]:
    return [condition("ClusterReady", *cluster), condition("JobRunning", *job)]


class Registry:
    """Reads samples back."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def series(self, prefix: str) -> list[tuple[str, dict[str, str]]]:
        return [
            (sample.name, sample.labels)
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name.startswith(prefix)
        ]


def test_a_life_is_timed_stage_by_stage() -> None:
    found = Registry()
    transitions = Transitions(found.registry)
    life = [
        (training(), 0),
        (training(phase="Provisioning", attempt=1, conditions=conditions(("False", 5), ("False", 5))), 5),
        (training(phase="Provisioning", attempt=1, conditions=conditions(("True", 25), ("False", 5))), 25),
        (training(phase="Running", attempt=1, conditions=conditions(("True", 25), ("True", 32))), 32),
        (
            training(
                phase="Succeeded",
                reason="Succeeded",
                attempt=1,
                conditions=conditions(("True", 25), ("False", 132)),
            ),
            132,
        ),
    ]
    for (before, _), (after, moment) in pairwise(life):
        transitions.observe(before, after, at(moment))
    for stage, seconds in {"waiting": 5.0, "cluster": 20.0, "job": 7.0, "running": 100.0}.items():
        assert found.value("mnist_trainings_stage_seconds_sum", stage=stage) == seconds, stage
        assert found.value("mnist_trainings_stage_seconds_count", stage=stage) == 1.0, stage
    assert found.value("mnist_trainings_duration_seconds_sum", phase="Succeeded") == 132.0
    assert found.value("mnist_trainings_finished_total", phase="Succeeded") == 1.0
    assert found.value("mnist_trainings_attempts_total") == 1.0


def test_a_write_that_changes_nothing_of_it_counts_nothing() -> None:
    found = Registry()
    transitions = Transitions(found.registry)
    running = training(phase="Running", attempt=2, conditions=conditions(("True", 25), ("True", 32)), restarts=3)
    transitions.observe(running, {**running, "status": {**running["status"], "message": "other"}}, at(50))
    assert all(found.value(name) in {0.0, None} for name, _ in found.series("mnist_trainings") if "_total" in name)


def test_failures_are_counted_by_reason_and_restarts_by_number() -> None:
    found = Registry()
    transitions = Transitions(found.registry)
    running = training(phase="Running", attempt=1, conditions=conditions(("True", 25), ("True", 32)))
    failed = training(
        phase="Pending",
        attempt=1,
        restarts=2,
        lostWorkers=3,
        lastFailure={"attempt": 1, "reason": "OutOfMemory"},
        conditions=[],
    )
    transitions.observe(running, failed, at(60))
    assert found.value("mnist_trainings_failed_attempts_total", reason="OutOfMemory") == 1.0
    assert found.value("mnist_trainings_restarts_total") == 2.0
    assert found.value("mnist_trainings_lost_workers_total") == 3.0
    assert found.value("mnist_trainings_stage_seconds_sum", stage="running") == 28.0


def test_a_trainer_cannot_make_series_without_end() -> None:
    found = Registry()
    transitions = Transitions(found.registry)
    for number in range(500):
        failure = {"attempt": 1, "reason": f"Made{number}Up"}
        transitions.observe(training(), training(phase="Failed", reason=f"Made{number}Up", lastFailure=failure), at(1))
    assert len(found.series("mnist_trainings_failed_attempts_total")) <= 65
    assert found.value("mnist_trainings_failed_attempts_total", reason="Other") == 500 - 62


PHASES = ["Running", "Provisioning", "Pending", "Suspended", "Succeeded", "Failed"]


@given(
    trainings=st.lists(st.tuples(st.sampled_from(PHASES), st.integers(0, 5000), st.integers(0, 5000)), max_size=40),
    max_trainings=st.integers(0, 20),
)
def test_the_bound_holds_and_the_active_come_first(trainings: list[tuple[str, int, int]], max_trainings: int) -> None:
    now = at(5000)
    objects = [
        training(f"t{number}", phase, created, completionTime=timestamp(at(ended)))
        for number, (phase, created, ended) in enumerate(trainings)
    ]
    shown, left_out = chosen(objects, Bounds(max_trainings, 3600), now)
    assert len(shown) <= max_trainings
    recent = [obj for obj in objects if obj["status"]["phase"] not in PHASES[4:] or _ended(obj) >= at(1400)]
    assert len(shown) + left_out == len(recent)
    assert left_out == 0 or len(shown) == max_trainings
    names = {obj["metadata"]["name"] for obj in shown}
    if any(obj["status"]["phase"] in PHASES[4:] for obj in shown):
        unfinished = [obj for obj in objects if obj["status"]["phase"] not in PHASES[4:]]
        assert all(obj["metadata"]["name"] in names for obj in unfinished), "one that ended took an active one's place"


def _ended(obj: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(obj["status"]["completionTime"])


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def cluster(name: str = "a", created: float = 0, workers: int = 2, version: str = "1") -> dict[str, Any]:
    spec = {
        "workers": {
            "replicas": 2,
            "gpusPerWorker": 1,
            "resources": {"requests": {"cpu": "1500m"}, "limits": {"memory": "1Gi"}},
        },
        "head": {"resources": {"limits": {"cpu": "1"}}},
    }
    owner = training_of({**training(name), "spec": spec})
    manifest = ray_cluster(owner, f"{name}-x", Installation())
    manifest["metadata"] |= {
        "uid": f"c-{name}",
        "creationTimestamp": timestamp(at(created)),
        "resourceVersion": version,
    }
    manifest["status"] = {"availableWorkerReplicas": workers, "head": {"podIP": "10.0.0.1"}}
    return manifest


def test_requests_are_read_as_the_scheduler_reads_them() -> None:
    assert requested(cluster()["spec"]) == {"head": (1.0, 0.0), "worker": (1.5, 1.0)}
    assert requested({}) == {"head": (0.0, 0.0), "worker": (0.0, 0.0)}


@pytest.fixture
def scene() -> tuple[ClusterState, Clock, Registry]:
    state, clock, found = ClusterState(), Clock(), Registry()
    found.registry.register(TrainingsCollector(state, lambda: True, Bounds(2, 3600), clock))
    return state, clock, found


def test_cpu_and_gpu_hours_are_what_running_pods_requested(scene: tuple[ClusterState, Clock, Registry]) -> None:
    state, clock, found = scene
    state.trainings.put(training(phase="Running"))
    state.clusters.put(cluster(created=100))
    clock.now = at(100 + 3600)
    labels = {"training_namespace": "ns", "training_name": "a"}
    assert found.value("mnist_training_cpus", **labels) == 4.0, "a head of 1 and two workers of 1.5"
    # Reading is what integrates; the hour was counted at the first reading.
    assert found.value("mnist_training_cpu_seconds_total", **labels) == 4.0 * 3600
    assert found.value("mnist_training_gpu_seconds_total", **labels) == 2.0 * 3600
    state.clusters.put({**cluster(created=100, workers=0, version="2"), "status": {}})
    clock.now = at(100 + 7200)
    assert found.value("mnist_training_cpu_seconds_total", **labels) == 4.0 * 3600, "no pod runs, nothing is paid"
    assert found.value("mnist_trainings_cpu_seconds_total", training_namespace="ns") == 4.0 * 3600
    state.trainings.remove("ns", "a", "uid-a")
    state.clusters.remove("ns", "a-x", "c-a")
    assert found.value("mnist_training_cpu_seconds_total", **labels) is None
    assert found.value("mnist_trainings_cpu_seconds_total", training_namespace="ns") == 4.0 * 3600, "its namespace paid"


def test_series_of_single_trainings_are_bounded_and_go(scene: tuple[ClusterState, Clock, Registry]) -> None:
    state, clock, found = scene
    report = {"attempt": 1, "progressPercent": 60, "accuracy": 0.98, "epoch": 3}
    state.trainings.put(training("runs", "Running", created=1, attempt=1, training=report))
    state.trainings.put(training("ended", "Succeeded", created=9, completionTime=timestamp(at(10))))
    for number in range(5):
        state.trainings.put(training(f"waits{number}", "Pending", created=10 + number))
    labels = {"training_namespace": "ns", "training_name": "runs"}
    assert found.value("mnist_training_progress_ratio", **labels) == 0.6
    assert found.value("mnist_training_accuracy", **labels) == 0.98
    assert {labels["training_name"] for _, labels in found.series("mnist_training_")} == {"runs", "waits4"}
    assert found.value("mnist_trainings_left_out") == 5.0
    assert found.value("mnist_trainings", phase="Pending") == 5.0
    clock.now = at(4000)
    assert found.value("mnist_trainings_left_out") == 4.0, "the one that ended is over an hour old"


def test_a_report_of_another_attempt_is_not_shown(scene: tuple[ClusterState, Clock, Registry]) -> None:
    state, _, found = scene
    state.trainings.put(training("a", "Provisioning", attempt=2, training={"attempt": 1, "accuracy": 0.5}))
    assert found.value("mnist_training_accuracy", training_namespace="ns", training_name="a") is None
    assert found.value("mnist_training_attempt", training_namespace="ns", training_name="a") == 2.0


def test_a_standby_shows_no_trainings() -> None:
    state, found = ClusterState(), Registry()
    state.trainings.put(training("a", "Running"))
    active = False
    found.registry.register(TrainingsCollector(state, lambda: active))
    assert found.series("mnist_training") == []
    active = True
    assert found.value("mnist_trainings", phase="Running") == 1.0


def test_the_process_is_seen() -> None:
    metrics = Metrics()
    metrics.watch_leader(lambda: True)
    metrics.watch_queue(lambda: 3, lambda: 1.5)
    metrics.requested("GET", 200, 0.01)
    metrics.watched("RayJob")
    value = metrics.registry.get_sample_value
    assert value("mnist_operator_leader") == 1.0
    assert value("mnist_operator_queue_oldest_seconds") == 1.5
    assert value("mnist_operator_api_requests_total", {"verb": "GET", "code": "200"}) == 1.0
    assert value("mnist_operator_watch_events_total", {"kind": "RayJob"}) == 1.0
    assert (value("process_resident_memory_bytes") or 0) > 1e6
