"""Reports that never hold up the training: the latest status is sent by a thread, at most about once a second.

It is sent again once a minute when nothing has changed: long epochs and waits for workers are no silence.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Protocol

from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.kube.claim import Claim, ReplacedError
from mnist_trainer.kube.client import KubeError
from mnist_trainer.kube.status import TrainingState, compose

_INTERVAL = 1.0
HEARTBEAT = 60.0  # contracts/trainer.json, heartbeatSeconds: whoever is silent for several of these counts as lost
_ENDS = frozenset({TrainingState.SUCCEEDED.value, TrainingState.FAILED.value, TrainingState.INTERRUPTED.value})
_RETRY_FIRST, _RETRY_MOST = 0.5, 10.0

logger = logging.getLogger(__name__)


class Reporter(Protocol):
    """Where a run tells how it stands."""

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
    """For runs without a Kubernetes object."""

    def update(self, state: TrainingState | None = None, **fields: Any) -> None:
        """Nobody is told."""

    def confirm(self, timeout: float) -> None:
        """Nobody has to agree."""

    def check(self) -> None:
        """Nobody replaces it."""


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
        """Change fields; None removes one."""
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
        wait = _RETRY_FIRST
        while self._replaced is None:
            with self._condition:
                ended = self._fields["state"] in _ENDS  # a process that does not end after its last word says no more
                self._condition.wait_for(lambda: self._changes > self._accepted, None if ended else self._heartbeat)
                number, self._urgent = self._changes, False
                status = compose(self._attempt, self._run_id, self._fields)
            sent = self._send(status)
            with self._condition:
                if sent:
                    self._accepted, wait = number, _RETRY_FIRST
                    self._condition.notify_all()
                    self._condition.wait_for(lambda: self._urgent, self._interval)
                elif self._replaced is not None:
                    self._condition.notify_all()
                else:
                    self._condition.wait_for(lambda: self._urgent, wait)
                    wait = min(_RETRY_MOST, wait * 2)

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
