"""Compose the next status: every transition ends in one of these."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from mnist_kube.pacing import backoff
from mnist_kube.times import seconds, timestamp
from mnist_operator.api.status import Condition, ConditionType, LastFailure, Phase
from mnist_operator.lifecycle.decision import Action, Decision, Event
from mnist_operator.lifecycle.facts import Facts
from mnist_operator.lifecycle.progress import count_lost_workers, lost_worker_events

OUTCOMES = frozenset({ConditionType.SUSPENDED, ConditionType.COMPLETE, ConditionType.FAILED})
"""Conditions that come with what they tell of, as those of a batch/v1 Job do."""
_ORDER = {kind.value: place for place, kind in enumerate(ConditionType)}


def with_condition(
    conditions: Iterable[Condition],
    kind: ConditionType,
    status: bool | None,
    reason: str,
    message: str,
    *,
    generation: int,
    now: str,
) -> list[Condition]:
    """Return the conditions with one of them set.

    Args:
        conditions: what stands now.
        kind: the condition to set.
        status: True, False, or None for Unknown.
        reason: one CamelCase word.
        message: a sentence, may be empty.
        generation: generation of the spec that this was decided on.
        now: the current time, RFC 3339.
    """
    word = {True: "True", False: "False", None: "Unknown"}[status]
    others = [condition for condition in conditions if condition.type != kind.value]
    before = next((condition for condition in conditions if condition.type == kind.value), None)
    since = before.last_transition_time if before is not None and before.status == word else now
    condition = Condition(
        type=kind.value,
        status=word,
        observed_generation=generation,
        last_transition_time=since,
        reason=reason,
        message=message,
    )
    return sorted([*others, condition], key=lambda item: _ORDER.get(item.type, len(_ORDER)))


_WARNINGS = frozenset(
    {
        "InvalidSpec",
        "SecretNotFound",
        "SecretInvalid",
        "ClusterNotFound",
        "ClusterUnfit",
        "ChildConflict",
        "QuotaExceeded",
        "Forbidden",
        "ChildRefused",
        "KubeRayMissing",
        "KubeRayTooOld",
        "Retrying",
        "Preempted",
        "ClusterStuck",
        "NamespaceTerminating",
        "TrainerSilent",
        "WorkersRestarting",
        "CodeNotFound",
    }
)


def to(
    facts: Facts,
    phase: Phase,
    reason: str,
    message: str,
    *,
    conditions: dict[ConditionType, tuple[bool | None, str, str]] | None = None,
    actions: tuple[Action, ...] = (),
    look_again: float | None = None,
    verify: bool = False,
    events: tuple[Event, ...] = (),
    is_news: bool = True,
    **fields: Any,
) -> Decision:
    """Return the decision that brings a training to `phase`, for `reason`, with what else changes.

    Args:
        facts: what is known.
        phase: where the training stands now.
        reason: one CamelCase word.
        message: a sentence.
        conditions: status, reason and message of each condition to set. Those of OUTCOMES are not set to False while
            they are absent: that would say nothing.
        actions: what to do in the cluster.
        look_again: seconds after which time alone may change the outcome.
        verify: whether it was decided from silence.
        events: events beside the one on the phase and its reason.
        is_news: whether another phase or reason is worth an event of its own.
        fields: other fields of the status.
    """
    now = timestamp(facts.now)
    listed: list[Condition] = list(facts.status.conditions)
    stand = {condition.type for condition in listed}
    for kind, (status, why, sentence) in (conditions or {}).items():
        if status is False and kind in OUTCOMES and kind.value not in stand:
            continue
        listed = with_condition(listed, kind, status, why, sentence, generation=facts.training.generation, now=now)
    status_after = facts.status.model_copy(
        update={
            "observed_generation": facts.training.generation,
            "phase": phase,
            "reason": reason,
            "message": message,
            "conditions": listed,
            **count_lost_workers(facts),
            **fields,
        }
    )
    events = (*lost_worker_events(facts), *events)
    if is_news and (facts.status.phase, facts.status.reason) != (phase, reason):
        warning = phase is Phase.FAILED or reason in _WARNINGS
        events = (*events, Event(reason, message, warning=warning))
    deadline = None if phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.SUSPENDED} else facts.until(facts.deadline)
    times = [moment for moment in (look_again, deadline) if moment is not None]
    return Decision(status_after, actions, events, min(times) if times else None, verify)


def unchanged(facts: Facts, *actions: Action, look_again: float | None = None) -> Decision:
    """Return a decision that leaves the status as it is."""
    return Decision(facts.status, actions, (), look_again)


def fail_attempt(
    facts: Facts,
    reason: str,
    message: str,
    *,
    retryable: bool,
    log_tail: str | None = None,
) -> Decision:
    """Note that the current attempt failed, and either plan the next one or give up.

    Args:
        facts: what is known.
        reason: one CamelCase word.
        message: a sentence.
        retryable: whether another attempt may succeed.
        log_tail: the last lines of the job's log, redacted.
    """
    failures = (facts.status.failures or 0) + 1
    limit = facts.spec.run_policy.backoff_limit
    failure = _end_of_attempt(facts, reason, message, log_tail)
    if not retryable or failures > limit:
        given_up = "" if not retryable or limit == 0 else f" (gave up after {failures} failed attempts)"
        return fail(facts, reason, f"{message}{given_up}", failures=failures, last_failure=failure)
    delay = retry_delay(facts, failures)
    return to(
        facts,
        Phase.PENDING,
        "Retrying",
        f"Attempt {facts.attempt} failed: {message} The next attempt follows in about {delay:.0f} s "
        f"(failure {failures} of {limit} allowed).",
        conditions={ConditionType.JOB_RUNNING: (False, reason, message)},
        look_again=delay,
        failures=failures,
        last_failure=failure,
        next_attempt_time=timestamp(facts.now + seconds(delay)),
    )


def start_over(facts: Facts, reason: str, message: str, *, delay: float = 0.0) -> Decision:
    """End the current attempt for a cause outside of it; the next one does not count against backoffLimit."""
    message = f"{message} The training goes on from its last checkpoint in attempt {facts.attempt + 1}."
    return to(
        facts,
        Phase.PENDING,
        reason,
        message,
        conditions={ConditionType.JOB_RUNNING: (False, reason, message)},
        look_again=max(0.1, delay),
        last_failure=_end_of_attempt(facts, reason, message, None),
        next_attempt_time=timestamp(facts.now + seconds(delay)),
    )


def _end_of_attempt(facts: Facts, reason: str, message: str, log_tail: str | None) -> LastFailure:
    return LastFailure(
        attempt=max(1, facts.attempt),
        reason=reason,
        message=message[:1024],
        time=timestamp(facts.now),
        log_tail=log_tail,
    )


def retry_delay(facts: Facts, failures: int) -> float:
    """Return the seconds before the next attempt: doubling, capped, and spread by up to half.

    The spread is taken from the training's uid and the attempt, so that the same decision comes out however often it
    is made, and trainings that failed together do not return together.
    """
    whole = backoff(failures - 1, facts.policy.retry_base, facts.policy.retry_cap)
    digest = hashlib.sha256(f"{facts.training.uid}/{facts.attempt}".encode()).digest()
    return whole * (1.0 + 0.5 * digest[0] / 255)


def fail(facts: Facts, reason: str, message: str, **fields: Any) -> Decision:
    """End the training as failed."""
    return to(
        facts,
        Phase.FAILED,
        reason,
        message,
        conditions={
            ConditionType.JOB_RUNNING: (False, reason, message),
            ConditionType.COMPLETE: (False, reason, message),
            ConditionType.FAILED: (True, reason, message),
        },
        completion_time=timestamp(facts.now),
        next_attempt_time=None,
        **fields,
    )
