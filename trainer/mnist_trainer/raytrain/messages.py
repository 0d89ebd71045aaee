"""What workers tell the driver. Plain data, so that neither side needs the other's libraries to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class WorkersReady:
    """All workers have found each other; `at` is Unix time."""

    workers: int
    resumed_epoch: int
    at: float


@dataclass(frozen=True)
class FirstStep:
    """The first optimizer step of this group of workers is done."""

    at: float


@dataclass(frozen=True)
class Progressed:
    """Where training stands within an epoch; the fields of `loop.job.StepProgress`."""

    epoch: int
    step: int
    steps: int
    loss: float
    images_per_second: float
    workers: int
    step_seconds: float = 0.0
    data_seconds: float = 0.0


@dataclass(frozen=True)
class EpochFinished:
    """An epoch's record (the fields of `loop.job.EpochRecord`) and the encoded state after it."""

    record: dict[str, Any]
    state: bytes


@dataclass(frozen=True)
class Finished:
    """A finished training: weights by name, and what was predicted for each test image (``[N]`` each).

    `onnx` is the network as an ONNX file, made where PyTorch is loaded; empty if it could not be made.
    """

    history: list[dict[str, Any]]
    weights: dict[str, npt.NDArray[Any]]
    accuracy: float
    loss: float
    predictions: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    true_confidences: npt.NDArray[np.float64]
    versions: dict[str, str]
    device: str
    at: float
    onnx: bytes = b""


@dataclass(frozen=True)
class WorkerFailed:
    """A failure that training again would not cure, with a reason of the contract."""

    reason: str
    message: str


@dataclass(frozen=True)
class LostWorker:
    """A worker that trained and is no more; `host` is its node's name (in Kubernetes the pod's), `reason` one line."""

    rank: int
    host: str
    reason: str


@dataclass(frozen=True)
class WorkersLost:
    """Workers (at least one) that ended with an error in the middle of training and are about to be replaced."""

    workers: tuple[LostWorker, ...]

    def __str__(self) -> str:
        first = self.workers[0]
        others = f" (and {len(self.workers) - 1} more)" if len(self.workers) > 1 else ""
        return f"worker {first.rank} on {first.host}{others}: {first.reason}"

    @property
    def out_of_memory(self) -> bool:
        """Whether Ray says that a node's memory was short."""
        return any(_tells_of_memory(worker.reason) for worker in self.workers)


@dataclass(frozen=True)
class WorkersNotStarted:
    """Workers that ended before they could take part (their number, why); others are being started."""

    reasons: dict[int, str]

    def __str__(self) -> str:
        number, reason = next(iter(self.reasons.items()))
        return f"worker {number} did not start: {reason}"

    @property
    def out_of_memory(self) -> bool:
        """Whether Ray says that a node's memory was short."""
        return any(map(_tells_of_memory, self.reasons.values()))


def _tells_of_memory(reason: str) -> bool:
    return "OutOfMemory" in reason or "low on memory" in reason


Message = (
    WorkersLost | WorkersNotStarted | WorkersReady | FirstStep | Progressed | EpochFinished | Finished | WorkerFailed
)
