"""The submitter's Job: one pod at a time, and again after growing pauses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mnist_kube.times import timestamp
from mnist_local.kuberay import submitter_jobs

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
JOB = {
    "metadata": {"name": "job", "namespace": "ns", "uid": "u"},
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {"backoffLimit": 2, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}},
    "status": {},
}


def pod(phase: str, ended: datetime | None = None, terminating: bool = False) -> dict[str, Any]:
    metadata = {"name": f"{phase}-{ended}", **({"deletionTimestamp": "x"} if terminating else {})}
    state = {"terminated": {"finishedAt": timestamp(ended)}} if ended else {"running": {}}
    status = {"phase": phase, "containerStatuses": [{"name": "c", "state": state}]}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c"}]}, "status": status}


def test_first_pod_comes_at_once_and_alone() -> None:
    assert submitter_jobs.step(JOB, [], NOW).create_pod
    assert not submitter_jobs.step(JOB, [pod("Pending")], NOW).create_pod


def test_success_completes_the_job() -> None:
    step = submitter_jobs.step(JOB, [pod("Succeeded", NOW)], NOW)
    done = {**JOB, "status": step.status}
    assert submitter_jobs.is_finished(done)
    assert step.status["completionTime"] == timestamp(NOW)
    outcome = submitter_jobs.outcome(done)
    assert outcome is not None
    assert (outcome.finished_at, outcome.failure) == (NOW, None)


def test_failures_are_retried_after_growing_pauses_until_the_limit() -> None:
    one = [pod("Failed", NOW)]
    early = submitter_jobs.step(JOB, one, NOW + timedelta(seconds=4))
    assert (early.create_pod, early.again_after_s) == (False, 6)
    assert submitter_jobs.step(JOB, one, NOW + timedelta(seconds=10)).create_pod
    two = [*one, pod("Failed", NOW + timedelta(seconds=1))]
    assert not submitter_jobs.step(JOB, two, NOW + timedelta(seconds=15)).create_pod
    assert submitter_jobs.step(JOB, two, NOW + timedelta(seconds=21)).create_pod
    three = [*two, pod("Failed", NOW + timedelta(seconds=2))]
    over = {**JOB, "status": submitter_jobs.step(JOB, three, NOW + timedelta(seconds=100)).status}
    outcome = submitter_jobs.outcome(over)
    assert outcome is not None
    assert outcome.failure == ("BackoffLimitExceeded", "Job has reached the specified backoff limit")


def test_a_pod_deleted_by_hand_counts_as_failed_even_when_it_is_gone() -> None:
    counted = submitter_jobs.step(JOB, [pod("Running", terminating=True)], NOW).status
    assert counted["failed"] == 1
    assert submitter_jobs.step({**JOB, "status": counted}, [], NOW).status["failed"] == 1
