"""The value of ``status.training`` (``contracts/trainer.json``, ``statusTraining``)."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from mnist_trainer.errors import TrainerError

_MESSAGE_LENGTH = 1024


class TrainingState(StrEnum):
    """What the trainer is doing."""

    STARTING = "Starting"
    LOADING_DATA = "LoadingData"
    TRAINING = "Training"
    PUBLISHING = "Publishing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"


def compose(attempt: int, run_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The status to send: `fields` without what JSON cannot say (no value, infinite loss), stamped with the time."""
    kept = {name: value for name, value in fields.items() if value is not None and not _not_finite(value)}
    return {"attempt": attempt, "runId": run_id, **kept, "updatedAt": timestamp(time.time())}


def timestamp(at: float) -> str:
    """Unix time as Kubernetes writes it, with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def failure(error: TrainerError) -> dict[str, Any]:
    """The status's ``failure``; a long message is cut."""
    message = error.message if len(error.message) <= _MESSAGE_LENGTH else error.message[: _MESSAGE_LENGTH - 3] + "..."
    return {"reason": error.reason.value, "message": message, "retryable": error.retryable}


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
