"""RayJobs walk the recorded transitions, and end for the reasons that KubeRay knows."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.standin.unit.kuberay.builders import rayjob
from tests.standin.unit.kuberay.recordings import job_events

from mnist_kube.times import parse, timestamp
from mnist_local.kuberay import rayjob_status
from mnist_local.kuberay.dashboard import JobInfo
from mnist_local.kuberay.rayjob_status import Limits, SubmitterOutcome

LIMITS = Limits()
START = datetime(2026, 11, 21, 6, tzinfo=UTC)
RUNNING = {
    "jobDeploymentStatus": "Running",
    "jobStatus": "RUNNING",
    "jobId": "job-abcde",
    "rayClusterName": "demo",
    "startTime": timestamp(START),
    "rayJobInfo": {},
    "succeeded": 0,
    "failed": 0,
}


def _milliseconds(text: str | None) -> int:
    return int(parse(text).timestamp() * 1000) if text else 0


def _transition(name: str, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The next status by our own functions, from what the recorded next status tells of the outside."""
    cluster = {"status": after.get("rayClusterStatus") or {}}
    if not before:
        spec = {"jobId": after["jobId"], "clusterSelector": {"ray.io/cluster": after["rayClusterName"]}}
        return rayjob_status.new_status(rayjob(**spec), parse(after["startTime"]))
    if before["jobDeploymentStatus"] == "Initializing":
        return rayjob_status.running(before, after["dashboardURL"])
    if after["jobStatus"] == "Failure":
        new = rayjob_status.unreachable(before, after["message"], cluster, START)
        del new["jobStatusCheckFailureStartTime"]  # the recorded KubeRay was behind a proxy and saw no error
        return new
    info = after["rayJobInfo"]
    times = (_milliseconds(info.get("startTime")), _milliseconds(info.get("endTime")))
    done = after["jobDeploymentStatus"] != "Running"
    return rayjob_status.observed(before, JobInfo(after["jobStatus"], after["message"], *times), cluster, done)


STEPS = [
    (name, before["status"], after["status"])
    for name, events in job_events().items()
    for before, after in itertools.pairwise(events)
    if before["status"] != after["status"] and after["status"].get("reason") != "DeadlineExceeded"
]


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_each_recorded_transition_is_reproduced(step: int) -> None:
    name, before, after = STEPS[step]
    now = parse(after["endTime"]) if "endTime" in after else START

    computed = rayjob_status.finished(before, _transition(name, before, after), now)

    assert computed == after
    assert rayjob_status.worth_writing(before, computed)


def test_unreachable_dashboard_fails_the_job_after_the_limit_and_not_before() -> None:
    status = rayjob_status.unreachable(RUNNING, "connection refused", {}, START)
    again = rayjob_status.unreachable(status, "connection refused", {}, START + timedelta(seconds=9))
    assert again["jobStatusCheckFailureStartTime"] == timestamp(START)
    assert rayjob_status.past_grace(again, LIMITS, START + timedelta(seconds=299)) is None
    late = rayjob_status.past_grace(again, LIMITS, START + timedelta(seconds=300))
    assert late is not None
    assert (late["jobDeploymentStatus"], late["reason"]) == ("Failed", "JobStatusCheckTimeoutExceeded")
    assert "exceeded timeout of 300s" in late["message"]


def test_an_answer_ends_the_count_of_failed_checks() -> None:
    status = rayjob_status.unreachable(RUNNING, "connection refused", {}, START)
    after = rayjob_status.observed(status, JobInfo("RUNNING", "", 1000, 0), {}, submitter_done=False)
    assert "jobStatusCheckFailureStartTime" not in after
    assert after["jobStatus"] == "RUNNING"


@pytest.mark.parametrize(("job_status", "reason"), [("FAILED", "AppFailed"), ("RUNNING", "SubmissionFailed")])
def test_failed_submitter(job_status: str, reason: str) -> None:
    outcome = SubmitterOutcome(START, ("BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    after = rayjob_status.after_submitter({**RUNNING, "jobStatus": job_status}, outcome, LIMITS, START)
    assert after is not None
    assert (after["jobDeploymentStatus"], after["reason"]) == ("Failed", reason)


def test_submitter_that_ended_long_ago_invents_a_failure() -> None:
    outcome = SubmitterOutcome(START)
    assert rayjob_status.after_submitter(RUNNING, outcome, LIMITS, START + timedelta(seconds=29)) is None
    late = rayjob_status.after_submitter(RUNNING, outcome, LIMITS, START + timedelta(seconds=30))
    assert late is not None
    assert (late["jobStatus"], late["jobDeploymentStatus"]) == ("FAILED", "Failed")
    assert late["reason"] == "JobDeploymentStatusTransitionGracePeriodExceeded"


def test_unknown_job_is_final_only_after_its_submitter() -> None:
    assert rayjob_status.not_found(RUNNING, None) is None
    final = rayjob_status.not_found(RUNNING, SubmitterOutcome(START))
    assert final is not None
    assert (final["reason"], final["jobStatus"]) == ("AppFailed", "RUNNING")


def test_ended_job_waits_for_its_submitter() -> None:
    ended = int(START.timestamp() * 1000)
    info = JobInfo("SUCCEEDED", "Job finished successfully.", ended, ended)
    status = rayjob_status.observed(RUNNING, info, {}, submitter_done=False)
    assert status["jobDeploymentStatus"] == "Running"


def test_end_time_and_counts_come_once() -> None:
    final = {**RUNNING, "jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}
    once = rayjob_status.finished(RUNNING, final, START)
    assert (once["succeeded"], once["failed"], once["endTime"]) == (1, 0, timestamp(START))
    assert rayjob_status.finished(once, once, START + timedelta(hours=1)) == once
