"""``status.training`` (``contracts/trainer.json``, ``statusTraining``): its value, and who sends it.

Reports never hold up the training: a thread sends the latest status, at most about once a second, and again once a
minute when nothing has changed, for long epochs and waits for workers are no silence.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from mnist_trainer.backoff import Backoff
from mnist_trainer.config import TrainingIdentity
from mnist_trainer.errors import FailureReason, InvalidConfigError, TrainerError
from mnist_trainer.kube.claim import Claim, ReplacedError
from mnist_trainer.kube.reporter_client import KubeError, ReporterClient
from mnist_trainer.naming import RunPlace

_INTERVAL = 1.0
HEARTBEAT = 60.0  # contracts/trainer.json, heartbeatSeconds: whoever is silent for several of these counts as lost
_RETRY_SECONDS, _RETRY_MAX_SECONDS = 0.5, 10.0
_MESSAGE_LENGTH = 1024

logger = logging.getLogger(__name__)


class TrainingState(StrEnum):
    """What the trainer is doing: the contract's `states`."""

    STARTING = "Starting"
    LOADING_DATA = "LoadingData"
    TRAINING = "Training"
    PUBLISHING = "Publishing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"


_ENDS = frozenset({TrainingState.SUCCEEDED.value, TrainingState.FAILED.value, TrainingState.INTERRUPTED.value})


class Reporter(Protocol):
    """Where a run tells how it stands. Fields are those of ``status.training``; None removes one."""

    def update(self, state: TrainingState | None = None, **fields: Any) -> None:
        """Change fields of the status; a change of state, or `accuracy`, is sent at once."""
        ...

    def confirm(self, timeout: float) -> None:
        """Wait until all of the status has been accepted. Raises TrainerError when replaced or out of time."""
        ...

    def check(self) -> None:
        """Raise ReplacedError if this process has been replaced."""
        ...


class NoReporter:
    """For runs without a Kubernetes object: nobody is told, and nobody has to agree."""

    def update(self, state: TrainingState | None = None, **fields: Any) -> None:
        return

    def confirm(self, timeout: float) -> None:
        return

    def check(self) -> None:
        return


class StatusReporter:
    """Reports to ``status.training``; failures to reach the API are retried until `confirm` needs an answer."""

    def __init__(
        self, claim: Claim, attempt: int, run_id: str, interval: float = _INTERVAL, heartbeat: float = HEARTBEAT
    ) -> None:
        self._claim = claim
        self._attempt, self._run_id = attempt, run_id
        self._interval = interval
        self._heartbeat = heartbeat
        self._condition = threading.Condition()
        self._fields: dict[str, Any] = {"state": TrainingState.STARTING.value}
        self._changes = 1  # number of the latest change; the claim itself is the first
        self._accepted = 0  # number of the latest change that the API has
        self._urgent = True
        self._replaced: ReplacedError | None = None
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="status-reporter", daemon=True)
        self._thread.start()

    def update(self, state: TrainingState | None = None, **fields: Any) -> None:
        with self._condition:
            # People read a status: four digits tell 10,000 images apart, all of them are in metrics.json.
            fields = {name: round(value, 4) if isinstance(value, float) else value for name, value in fields.items()}
            if state is not None:
                fields["state"] = state.value
            urgent = any(
                fields.get(name) != self._fields.get(name) for name in ("state", "epoch", "accuracy") if name in fields
            )
            self._fields.update(fields)
            self._changes += 1
            self._urgent = self._urgent or urgent
            self._condition.notify_all()

    def confirm(self, timeout: float) -> None:
        """Wait until the API has accepted everything that was reported so far."""
        with self._condition:
            wanted = self._changes
            self._condition.wait_for(lambda: self._accepted >= wanted or self._replaced is not None, timeout)
            if self._replaced is not None:
                raise self._replaced
            if self._accepted < wanted:
                problem = self._problem or "no answer yet"
                raise TrainerError(
                    f"the report was not accepted within {timeout:.0f} s: {problem}", FailureReason.INTERNAL_ERROR
                )

    def check(self) -> None:
        """Raise ReplacedError once the API has shown another process in our place."""
        if self._replaced is not None:
            raise self._replaced

    def _run(self) -> None:
        backoff = Backoff(_RETRY_SECONDS, _RETRY_MAX_SECONDS)
        while self._replaced is None:
            with self._condition:
                ended = self._fields["state"] in _ENDS  # a process that does not end after its last word says no more
                self._condition.wait_for(lambda: self._changes > self._accepted, None if ended else self._heartbeat)
                number, self._urgent = self._changes, False
                status = compose(self._attempt, self._run_id, self._fields)
            sent = self._send(status)
            with self._condition:
                if sent:
                    self._accepted = number
                    backoff.reset()
                    self._condition.notify_all()
                    self._condition.wait_for(lambda: self._urgent, self._interval)
                elif self._replaced is not None:
                    self._condition.notify_all()
                else:
                    self._condition.wait_for(lambda: self._urgent, backoff.next())

    def _send(self, status: dict[str, Any]) -> bool:
        began = time.perf_counter()
        try:
            self._claim.send(status)
        except ReplacedError as error:
            self._replaced = error
            return False
        except KubeError as error:
            if str(error) != self._problem:
                logger.warning("the status could not be reported, will try again: %s", error)
            self._problem = str(error)
            return False
        if self._problem:
            logger.info("the status is reported again (%.1f s)", time.perf_counter() - began)
            self._problem = ""
        return True


def make_reporter(client: ReporterClient | None, identity: TrainingIdentity | None, place: RunPlace) -> Reporter:
    """The reporter of the process at `place`, which claims the training at once.

    Raises InvalidConfigError for a training to report to, outside of a pod.
    """
    if identity is None:
        return NoReporter()
    if client is None:
        raise InvalidConfigError("--training-name needs a pod's environment: KUBERNETES_SERVICE_HOST is not set")
    return StatusReporter(Claim(client, identity, place.attempt, place.run_id), place.attempt, place.run_id)


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
