"""What the driver gives to a worker, and what the worker's part in a group ends with. Events are apart (`events`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from mnist_trainer.errors import FailureReason
from mnist_trainer.plan import TrainingPlan


@dataclass(frozen=True)
class WorkerInputs:
    """What every worker needs. `dataset` is a list holding one object reference (so that Ray does not resolve it).

    `code` holds one to a zip file of the user's own, or nothing.
    """

    dataset: list[Any]
    plan: TrainingPlan
    code: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """A worker's place in its group, which meets at `address`; `state`, for worker 0 only, is what to resume from."""

    rank: int
    world_size: int
    address: str
    state: bytes | None


class Ending(Enum):
    """How a worker's part in a group ended."""

    FINISHED = "finished"
    PAUSED = "paused"
    """Between two epochs, because the group is to be made anew with more workers."""
    BROKEN = "broken"
    """An error that training again may cure, such as a fellow worker that is gone."""
    FAILED = "failed"
    """An error that training again would not cure."""


@dataclass(frozen=True)
class End:
    """The end of a worker's part in a group; `reason` (of the contract) and `message` where it is an error."""

    ending: Ending
    message: str = ""
    reason: str = FailureReason.INTERNAL_ERROR.value
