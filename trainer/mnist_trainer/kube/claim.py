"""Claim and fence: who may report on a training.

Two copies of a trainer can be alive at once (a lost head, an attempt that was given up). Each process claims the
training by writing its run id; every report begins with a test that the id still stands there. The one that finds
another's id has been replaced: it ends, and publishes nothing.
"""

from __future__ import annotations

from typing import Any

from mnist_trainer.config import TrainingIdentity
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.kube.reporter_client import KubeError, ReporterClient

_TEST_FAILED = 422
_NOT_FOUND = 404


class ReplacedError(TrainerError):
    """Another process, or nobody, speaks for the training now."""

    default_reason = FailureReason.REPLACED


class Claim:
    """One process's right to report. Methods raise ReplacedError, or KubeError where trying again may help."""

    def __init__(self, client: ReporterClient, identity: TrainingIdentity, attempt: int, run_id: str) -> None:
        self._client = client
        self._identity = identity
        self._attempt = attempt
        self._run_id = run_id
        self.held = False

    def send(self, status: dict[str, Any]) -> None:
        """Write ``status.training``: claims first if this process has not, else only while the claim stands."""
        if not self.held:
            self._take(status)
            return
        tests: list[dict[str, Any]] = [{"op": "test", "path": "/status/training/runId", "value": self._run_id}]
        try:
            self._patch([*tests, {"op": "replace", "path": "/status/training", "value": status}])
        except KubeError as error:
            if error.status != _TEST_FAILED:
                raise
            holder = self._training_status(self._patch([])).get("runId")
            if holder is not None and holder != self._run_id:
                raise ReplacedError(f"another process ({holder}) now trains {self._what}") from error
            if holder is None:  # someone emptied the status: nobody holds the claim
                self.held = False
                self._take(status)
            else:
                raise

    def _take(self, status: dict[str, Any]) -> None:
        self._training_status(self._patch([]))
        tests: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": self._identity.uid},
            {"op": "test", "path": "/status/attempt", "value": self._attempt},
        ]
        try:
            self._patch([*tests, {"op": "add", "path": "/status/training", "value": status}])
        except KubeError as error:
            if error.status == _TEST_FAILED:
                self._training_status(self._patch([]))  # says who replaced us, if so
            raise
        self.held = True

    def _training_status(self, training: dict[str, Any]) -> dict[str, Any]:
        """``status.training`` of the object, once it is sure that it is ours and of our attempt."""
        uid, status = training.get("metadata", {}).get("uid"), training.get("status") or {}
        if uid != self._identity.uid:
            raise ReplacedError(f"{self._what} is another object now (uid {uid}, not {self._identity.uid})")
        if status.get("attempt") != self._attempt:
            raise ReplacedError(f"{self._what} is at attempt {status.get('attempt')}, not {self._attempt}")
        return status.get("training") or {}

    def _patch(self, patch: list[dict[str, Any]]) -> dict[str, Any]:
        try:
            return self._client.patch_training_status(self._identity.namespace, self._identity.name, patch)
        except KubeError as error:
            if error.status == _NOT_FOUND:
                raise ReplacedError(f"{self._what} no longer exists") from error
            raise

    @property
    def _what(self) -> str:
        return f"training {self._identity.namespace}/{self._identity.name}"
