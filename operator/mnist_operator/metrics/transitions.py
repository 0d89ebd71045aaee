"""What trainings go through, counted where the operator writes it down: each write of a status is looked at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from mnist_kube.times import parse_time
from mnist_operator.api.status import ConditionType, Phase

Object = Mapping[str, Any]
_BUCKETS = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
_FINAL = {Phase.SUCCEEDED.value, Phase.FAILED.value}
_MOST_REASONS = 64
_OTHER = "Other"
_ALERTED = ("StoreUnreachable", "StoreAccessDenied")


class Transitions:
    """Counts attempts, failures and ends, and times the stages between them.

    Stages, in seconds: `waiting` from the creation to the first attempt; `cluster` from an attempt to its ready
    RayCluster, quota and pods included; `job` from there to the running entrypoint; `running` while that runs.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reasons: set[str] = set()
        self._stages = Histogram(
            "mnist_trainings_stage_seconds",
            "Duration of the stages of trainings: waiting, cluster, job, running.",
            ["stage"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._durations = Histogram(
            "mnist_trainings_duration_seconds",
            "Seconds from the creation of a training to its end, by the phase it ended in.",
            ["phase"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._attempts = Counter("mnist_trainings_attempts", "Attempts that were started.", registry=registry)
        self._failures = Counter(
            "mnist_trainings_failed_attempts", "Attempts that failed, by reason.", ["reason"], registry=registry
        )
        self._restarts = Counter(
            "mnist_trainings_restarts", "Times that KubeRay started a job over within an attempt.", registry=registry
        )
        self._lost_workers = Counter(
            "mnist_trainings_lost_workers", "Workers that trainings lost in mid-training.", registry=registry
        )
        self._finished = Counter(
            "mnist_trainings_finished", "Trainings that ended, by phase.", ["phase"], registry=registry
        )
        # From zero, so that an alert sees the first one, too.
        for phase in _FINAL:
            self._finished.labels(phase)
        for reason in _ALERTED:
            self._failures.labels(self._reason({"reason": reason}))

    def observe(self, before: Object, after: Object, now: datetime) -> None:
        """Count what changed between two versions of one training, as the API returned them."""
        old, new = before.get("status") or {}, after.get("status") or {}
        created = parse_time(after["metadata"].get("creationTimestamp"))
        started = (new.get("attempt") or 0) - (old.get("attempt") or 0)
        if started > 0:
            self._attempts.inc(started)
            if not old.get("attempt"):
                self._stage("waiting", created, now)
        self._restarts.inc(max(0, (new.get("restarts") or 0) - (old.get("restarts") or 0)))
        self._lost_workers.inc(max(0, (new.get("lostWorkers") or 0) - (old.get("lostWorkers") or 0)))
        self._conditions(old, new, now)
        failure = new.get("lastFailure")
        if failure and failure.get("attempt") != (old.get("lastFailure") or {}).get("attempt"):
            self._failures.labels(self._reason(failure)).inc()
        phase = new.get("phase")
        if phase in _FINAL and old.get("phase") != phase:
            self._finished.labels(phase).inc()
            if created is not None:
                self._durations.labels(phase).observe(max(0.0, (now - created).total_seconds()))

    def _conditions(self, old: Object, new: Object, now: datetime) -> None:
        cluster_before = _condition(old, ConditionType.CLUSTER_READY)
        cluster = _condition(new, ConditionType.CLUSTER_READY)
        job_before, job = _condition(old, ConditionType.JOB_RUNNING), _condition(new, ConditionType.JOB_RUNNING)
        if _is(cluster, "True") and not _is(cluster_before, "True"):
            self._stage("cluster", _since(cluster_before) or parse_time(new.get("startTime")), now)
        if _is(job, "True") and not _is(job_before, "True"):
            # The later of both: a job that is started again on a cluster that stayed waits only since it stopped.
            moments = [moment for moment in (_since(cluster), _since(job_before)) if moment is not None]
            self._stage("job", max(moments, default=None), now)
        if _is(job_before, "True") and not _is(job, "True"):
            self._stage("running", _since(job_before), now)

    def _stage(self, stage: str, since: datetime | None, now: datetime) -> None:
        if since is not None:
            self._stages.labels(stage).observe(max(0.0, (now - since).total_seconds()))

    def _reason(self, said: Object) -> str:
        """Return a reason as a label. A trainer chooses its own words, so no more than so many are taken."""
        reason = str(said.get("reason") or _OTHER)
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            return _OTHER
        self._reasons.add(reason)
        return reason


def _condition(status: Object, kind: ConditionType) -> Object | None:
    return next((item for item in status.get("conditions") or [] if item.get("type") == kind.value), None)


def _is(condition: Object | None, status: str) -> bool:
    return condition is not None and condition.get("status") == status


def _since(condition: Object | None) -> datetime | None:
    return None if condition is None else parse_time(condition.get("lastTransitionTime"))
