"""Metrics of trainings, read from the caches when they are asked for. Series of single trainings are bounded."""

from __future__ import annotations

import heapq
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mnist_kube import times
from mnist_kube.objects import Key
from mnist_kube.times import parse_time, timestamp
from mnist_operator.api.status import Phase
from mnist_operator.cache import Clock, ClusterState
from mnist_operator.metrics.cost import Meter, Share

Object = Mapping[str, Any]
Value = Callable[[Object, Object], float | None]
LABELS = ("training_namespace", "training_name")
"""As the trainer's own metrics have them. `namespace` would clash with the label of the scraped pod."""
_FINAL = {Phase.SUCCEEDED.value, Phase.FAILED.value}
_RANK = {Phase.RUNNING.value: 3, Phase.PROVISIONING.value: 2, **dict.fromkeys(_FINAL, 0)}


@dataclass(frozen=True)
class Bounds:
    """How many trainings get series of their own, and for how long."""

    max_trainings: int = 500
    finished_seconds: float = 3600.0


def _reported(field: str, whole: float = 1.0) -> Value:
    """Return what reads a number of the trainer's report, as a share of `whole`."""

    def value(status: Object, report: Object) -> float | None:
        found = report.get(field)
        return None if found is None else float(found) / whole

    return value


def _stated(field: str) -> Value:
    return lambda status, report: float(status.get(field) or 0)


_OF_ONE: tuple[tuple[str, str, Value], ...] = (
    (
        "mnist_training_progress_ratio",
        "Share of the training that is done, 0 to 1.",
        _reported("progressPercent", 100),
    ),
    ("mnist_training_accuracy", "Share of test images recognised after the last epoch.", _reported("accuracy")),
    ("mnist_training_loss", "Mean training loss of the last epoch.", _reported("loss")),
    ("mnist_training_epoch", "Epochs finished.", _reported("epoch")),
    ("mnist_training_images_per_second", "Throughput over all workers.", _reported("imagesPerSecond")),
    ("mnist_training_workers", "Workers training, as the trainer reports.", _reported("workers")),
    ("mnist_training_attempt", "Number of the current attempt.", _stated("attempt")),
    ("mnist_training_failures", "Failed attempts that count.", _stated("failures")),
    ("mnist_training_restarts", "Times that KubeRay started the job over.", _stated("restarts")),
    ("mnist_training_lost_workers", "Workers lost in mid-training, in all attempts.", _stated("lostWorkers")),
)


class TrainingsCollector(Collector):
    """Reads the caches. A standby shows nothing: what the active replica shows would count twice."""

    def __init__(
        self,
        state: ClusterState,
        active: Callable[[], bool] = lambda: True,
        bounds: Bounds = Bounds(),
        clock: Clock = times.now,
    ) -> None:
        self._state = state
        self._active = active
        self._bounds = bounds
        self._clock = clock
        self._meter = Meter(clock())

    def collect(self) -> Iterable[Metric]:
        """Yield all families."""
        if not self._active():
            self._meter = Meter(self._clock())
            return
        now = self._clock()
        trainings, resting = self._state.trainings.awake(), self._state.trainings.resting()
        holding = self._meter.read(self._state.clusters.awake(), now)
        # Thousands of them: times of this one form compare as text.
        oldest = timestamp(now - timedelta(seconds=self._bounds.finished_seconds))
        recent = [item.unpacked() for item in resting if item.ended is not None and item.ended >= oldest]
        shown, left_out = chosen([*trainings, *recent], self._bounds, now)
        phases = [(obj.get("status") or {}).get("phase") for obj in trainings] + [item.phase for item in resting]
        self._meter.keep((obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in [*trainings, *recent])
        yield from _of_all(phases, left_out, self._meter, holding)
        yield from _of_each(shown, self._meter, holding)


def chosen(trainings: Iterable[Object], bounds: Bounds, now: datetime) -> tuple[list[Object], int]:
    """Return the trainings that get series of their own, and how many more there would be.

    Those that run come first, then those on their way, those that wait, and those that ended not long ago; of each
    the newest first.
    """
    candidates = []
    for training in trainings:
        status = training.get("status") or {}
        if status.get("phase") in _FINAL and not _is_recent(status.get("completionTime"), bounds, now):
            continue
        candidates.append(training)
    shown = heapq.nlargest(bounds.max_trainings, candidates, key=_importance)
    return shown, len(candidates) - len(shown)


def _is_recent(completion_time: str | None, bounds: Bounds, now: datetime) -> bool:
    ended = parse_time(completion_time)
    return ended is not None and (now - ended).total_seconds() <= bounds.finished_seconds


def _importance(training: Object) -> tuple[int, str, str, str]:
    metadata = training["metadata"]
    phase = str((training.get("status") or {}).get("phase"))
    return (_RANK.get(phase, 1), metadata.get("creationTimestamp") or "", metadata["namespace"], metadata["name"])


def _of_all(found: list[str | None], left_out: int, meter: Meter, holding: dict[Key, Share]) -> Iterable[Metric]:
    phases = Tally(phase or Phase.PENDING.value for phase in found)
    family = GaugeMetricFamily("mnist_trainings", "Trainings by phase.", labels=["phase"])
    for phase in Phase:
        family.add_metric([phase.value], phases.get(phase.value, 0))
    yield family
    yield GaugeMetricFamily(
        "mnist_trainings_left_out", "Trainings without series of their own: the bound is reached.", left_out
    )
    cpus = GaugeMetricFamily(
        "mnist_trainings_cpus", "CPUs that running pods of trainings requested.", labels=LABELS[:1]
    )
    gpus = GaugeMetricFamily(
        "mnist_trainings_gpus", "GPUs that running pods of trainings requested.", labels=LABELS[:1]
    )
    now: dict[str, Share] = {namespace: Share() for namespace in meter.by_namespace}
    for (namespace, _), share in holding.items():
        now[namespace].add(share)
    _add(cpus, gpus, {(namespace,): share for namespace, share in now.items()})
    yield from (cpus, gpus)
    cpu_seconds = CounterMetricFamily(
        "mnist_trainings_cpu_seconds", "CPUs requested, times seconds.", labels=LABELS[:1]
    )
    gpu_seconds = CounterMetricFamily(
        "mnist_trainings_gpu_seconds", "GPUs requested, times seconds.", labels=LABELS[:1]
    )
    _add(cpu_seconds, gpu_seconds, {(namespace,): share for namespace, share in meter.by_namespace.items()})
    yield from (cpu_seconds, gpu_seconds)


def _of_each(shown: list[Object], meter: Meter, holding: dict[Key, Share]) -> Iterable[Metric]:
    phases = GaugeMetricFamily("mnist_training_phase", "1 for the phase of a training.", labels=[*LABELS, "phase"])
    values = [(GaugeMetricFamily(name, text, labels=LABELS), read) for name, text, read in _OF_ONE]
    keys: list[Key] = []
    for training in shown:
        metadata, status = training["metadata"], training.get("status") or {}
        key = (metadata["namespace"], metadata["name"])
        keys.append(key)
        phases.add_metric([*key, str(status.get("phase") or Phase.PENDING.value)], 1)
        report = status.get("training") or {}
        current = report if report.get("attempt") == status.get("attempt") else {}
        for family, read in values:
            value = read(status, current)
            if value is not None:
                family.add_metric(key, value)
    yield phases
    yield from (family for family, _ in values)
    cpus = GaugeMetricFamily("mnist_training_cpus", "CPUs that its running pods requested.", labels=LABELS)
    gpus = GaugeMetricFamily("mnist_training_gpus", "GPUs that its running pods requested.", labels=LABELS)
    _add(cpus, gpus, {key: holding.get(key, Share()) for key in keys})
    yield from (cpus, gpus)
    cpu_seconds = CounterMetricFamily("mnist_training_cpu_seconds", "CPUs requested, times seconds.", labels=LABELS)
    gpu_seconds = CounterMetricFamily("mnist_training_gpu_seconds", "GPUs requested, times seconds.", labels=LABELS)
    _add(cpu_seconds, gpu_seconds, {key: meter.by_training.get(key, Share()) for key in keys})
    yield from (cpu_seconds, gpu_seconds)


def _add(
    cpu: GaugeMetricFamily | CounterMetricFamily,
    gpu: GaugeMetricFamily | CounterMetricFamily,
    shares: Mapping[tuple[str, ...], Share],
) -> None:
    for labels, share in shares.items():
        cpu.add_metric(labels, share.cpu)
        gpu.add_metric(labels, share.gpu)
