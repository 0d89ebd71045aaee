"""How a training ends, and what is done with what it leaves."""

from __future__ import annotations

from mnist_operator.api.spec import ClusterCleanup
from mnist_operator.api.status import Phase
from mnist_operator.lifecycle import outcome
from mnist_operator.lifecycle.decision import (
    Decision,
    DeleteTraining,
)
from mnist_operator.lifecycle.facts import Facts
from mnist_operator.lifecycle.steps.common import deletions


def leave_alone(facts: Facts, name: str) -> Decision:
    """Owner references take the children along."""
    return outcome.unchanged(facts, name)


def delete_training(facts: Facts, name: str) -> Decision:
    """Delete the training; the model stays."""
    return outcome.unchanged(facts, name, DeleteTraining())


def clean_up(facts: Facts, name: str) -> Decision:
    """Let the job of a sealed model end by itself for a while, stop what may still run, then free the cluster."""
    jobs = deletions(facts.unended_jobs, "RayJob")
    if facts.unended_jobs and (closing := facts.closing_ends_in):
        expires = facts.until(facts.expires_at)
        return outcome.unchanged(facts, name, look_again=min(closing + 0.1, expires or closing + 0.1))
    if facts.unended_jobs:
        return outcome.unchanged(facts, name, *jobs, look_again=facts.until(facts.expires_at))
    cleanup = facts.spec.run_policy.cluster_cleanup
    succeeded = facts.status.phase is Phase.SUCCEEDED
    frees = cleanup is ClusterCleanup.ON_FINISH or (cleanup is ClusterCleanup.ON_SUCCESS and succeeded)
    clusters = deletions(facts.own_clusters, "RayCluster") if frees else ()
    return outcome.unchanged(facts, name, *clusters, look_again=facts.until(facts.expires_at))


def succeed(facts: Facts, name: str) -> Decision:
    """The model is sealed: copy the result."""
    return outcome.succeed(facts, name)
