"""Suspension and deadlines."""

from __future__ import annotations

from mnist_operator.api.status import Phase
from mnist_operator.lifecycle import outcome
from mnist_operator.lifecycle.conditions import ConditionType
from mnist_operator.lifecycle.decision import (
    Action,
    Decision,
)
from mnist_operator.lifecycle.facts import SUSPENDING, Facts
from mnist_operator.lifecycle.steps.common import deletions


def stop_jobs(facts: Facts, name: str) -> Decision:
    """Delete the RayJob: KubeRay asks Ray to stop it, and the trainer gets its moment to end well."""
    return _suspending(facts, name, "Stopping the job", deletions(facts.unended_jobs, "RayJob"))


def stop_clusters(facts: Facts, name: str) -> Decision:
    """Delete the cluster: that frees the pods and proves that the old processes are dead."""
    return _suspending(facts, name, "Freeing the pods", deletions(facts.own_clusters, "RayCluster"))


def suspend(facts: Facts, name: str) -> Decision:
    """Nothing runs any more."""
    message = "Suspended; set spec.runPolicy.suspend to false to go on from the last checkpoint"
    return outcome.to(
        facts,
        name,
        Phase.SUSPENDED,
        "Suspended",
        message,
        conditions={
            ConditionType.CLUSTER_READY: (False, "Suspended", ""),
            ConditionType.JOB_RUNNING: (False, "Suspended", ""),
            ConditionType.SUSPENDED: (True, "Suspended", message),
        },
        ray_cluster=None,
        ray_job=None,
        next_attempt_time=None,
    )


def exceed_deadline(facts: Facts, name: str) -> Decision:
    """Fail for good; cleaning up stops what still runs."""
    limit = facts.spec.run_policy.active_deadline_seconds
    return outcome.fail(
        facts, name, "DeadlineExceeded", f"Took longer than activeDeadlineSeconds ({limit} s) over all attempts"
    )


def _suspending(facts: Facts, name: str, message: str, actions: tuple[Action, ...]) -> Decision:
    return outcome.to(
        facts,
        name,
        facts.status.phase or Phase.PENDING,
        SUSPENDING,
        f"Suspending: {message[0].lower()}{message[1:]}",
        conditions={
            ConditionType.JOB_RUNNING: (False, SUSPENDING, message),
            ConditionType.SUSPENDED: (False, SUSPENDING, message),
        },
        actions=actions,
    )
