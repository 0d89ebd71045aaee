"""Prometheus metrics of the operator."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mnist_operator.api.status import Phase
from mnist_operator.reconcile.cache import ObjectCache

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = Counter(
            "mnist_operator_reconciles", "Reconciles by outcome.", ["outcome"], registry=self.registry
        )
        self._seconds = Histogram(
            "mnist_operator_reconcile_seconds", "Duration of a reconcile.", buckets=_BUCKETS, registry=self.registry
        )
        self._requests = Counter(
            "mnist_operator_api_requests",
            "Requests to the API server by verb and status code; code 0 is a server that could not be reached.",
            ["verb", "code"],
            registry=self.registry,
        )
        self._depth = Gauge("mnist_operator_queue_depth", "Trainings waiting to be reconciled.", registry=self.registry)

    def reconciled(self, outcome: str, seconds: float) -> None:
        """Count one reconcile."""
        self._reconciles.labels(outcome).inc()
        self._seconds.observe(seconds)

    def requested(self, verb: str, code: int) -> None:
        """Count one request to the API server."""
        self._requests.labels(verb, str(code)).inc()

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Read the queue's depth whenever metrics are asked for."""
        self._depth.set_function(depth)

    def watch_trainings(self, trainings: Callable[[], ObjectCache]) -> None:
        """Count trainings by phase whenever metrics are asked for."""
        self.registry.register(_TrainingsByPhase(trainings))


class _TrainingsByPhase(Collector):
    def __init__(self, trainings: Callable[[], ObjectCache]) -> None:
        self._trainings = trainings

    def collect(self) -> Iterable[Metric]:
        phases = Tally(
            str((obj.get("status") or {}).get("phase") or Phase.PENDING.value) for obj in self._trainings().values()
        )
        family = GaugeMetricFamily("mnist_trainings", "Trainings by phase.", labels=["phase"])
        for phase in Phase:
            family.add_metric([phase.value], phases.get(phase.value, 0))
        yield family
