"""Names of this process and of the objects it writes (``contracts/trainer.json``, ``objects``)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from mnist_trainer.store.address import S3Address

RELEASE_MANIFEST = "MANIFEST.json"
MODEL_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"
METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
LOGS_FOLDER = "logs"
CHECKPOINTS_FOLDER = "checkpoints"
"""Of a script of the user's own."""
EVENTS_FILE = "tensorboard/events.out.tfevents"
"""TensorBoard knows its files by `tfevents` in their names."""

_APART = re.compile(rf"(attempt-\d+|{LOGS_FOLDER}|{CHECKPOINTS_FOLDER}|\.write-check-[^/]*)(/.*)?")
_CHECKPOINT_KEY = re.compile(r"attempt-(\d+)/([^/]+)/checkpoints/epoch-(\d+)\.json")


def new_run_id() -> str:
    """A fresh name for this process, in order of time when sorted."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class RunPlace:
    """Where one process writes: below the training's output, apart from every other process."""

    output: S3Address
    attempt: int
    run_id: str

    @property
    def prefix(self) -> S3Address:
        """The process's own prefix."""
        return self.output.child(f"attempt-{self.attempt}/{self.run_id}")

    @property
    def logs(self) -> S3Address:
        """Where the logs of this attempt go."""
        return self.output.child(f"{LOGS_FOLDER}/attempt-{self.attempt}")

    @property
    def checkpoints(self) -> S3Address:
        """Where a script of the user's own keeps checkpoints, the same for all attempts."""
        return self.output.child(CHECKPOINTS_FOLDER)

    def checkpoint(self, epoch: int) -> tuple[S3Address, S3Address]:
        """Addresses of state and manifest after `epoch` finished epochs."""
        base = f"checkpoints/epoch-{epoch:05d}"
        return self.prefix.child(base + ".safetensors"), self.prefix.child(base + ".json")


def is_result(name: str) -> bool:
    """Whether a name below the training's output is that of a result, and not of a checkpoint, a log or the seal."""
    return name != RELEASE_MANIFEST and not _APART.fullmatch(name)


def checkpoint_epoch(output: S3Address, manifest: S3Address) -> int | None:
    """The epoch that a checkpoint manifest's address names; None if the address is no such thing."""
    below = manifest.key.removeprefix(f"{output.key}/" if output.key else "")
    match = _CHECKPOINT_KEY.fullmatch(below)
    return int(match[3]) if match and manifest.bucket == output.bucket else None
