"""Between a failed attempt and the next."""

from __future__ import annotations

from mnist_operator.api.status import Phase
from mnist_operator.lifecycle import outcome
from mnist_operator.lifecycle.conditions import ConditionType
from mnist_operator.lifecycle.decision import (
    Decision,
)
from mnist_operator.lifecycle.facts import Facts
from mnist_operator.lifecycle.steps.common import deletions


def end_attempt(facts: Facts, name: str) -> Decision:
    """Make sure that the failed attempt is dead: its job goes first, then its cluster."""
    if facts.unended_jobs:
        return outcome.unchanged(facts, name, *deletions(facts.unended_jobs, "RayJob"), look_again=5.0)
    return outcome.unchanged(facts, name, *deletions(facts.own_clusters, "RayCluster"), look_again=5.0)


def wait_to_retry(facts: Facts, name: str) -> Decision:
    """The delay before the next attempt."""
    return outcome.unchanged(facts, name, look_again=facts.until(facts.next_attempt_at))


def refuse_spec(facts: Facts, name: str) -> Decision:
    """Say what cannot work; a changed spec is looked at anew."""
    message = "; ".join(facts.observed.spec_problems)
    return outcome.to(
        facts,
        name,
        Phase.PENDING,
        "InvalidSpec",
        message,
        conditions={ConditionType.ACCEPTED: (False, "InvalidSpec", message)},
    )


def wait_for_credentials(facts: Facts, name: str) -> Decision:
    """Say which Secret is missing or unfit, and keep looking: GitOps may bring it later."""
    problem = facts.observed.credentials
    assert problem is not None
    return outcome.to(
        facts,
        name,
        Phase.PENDING,
        problem.reason,
        problem.message,
        conditions={ConditionType.ACCEPTED: (False, problem.reason, problem.message)},
        look_again=facts.policy.missing_secret_poll,
    )


def start_attempt(facts: Facts, name: str) -> Decision:
    """Write the attempt's number down before anything of it exists."""
    return outcome.start_attempt(facts, name)
