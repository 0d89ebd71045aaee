"""metav1.Condition rules: the transition time moves only when the status flips."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from mnist_operator.api.status import Condition


class ConditionType(StrEnum):
    """Conditions of a training, in the order in which they are listed."""

    ACCEPTED = "Accepted"
    CLUSTER_READY = "ClusterReady"
    JOB_RUNNING = "JobRunning"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


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
