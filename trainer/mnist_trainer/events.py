"""What workers say about a training, as events: plain data, so that nobody needs PyTorch to read it.

There is one path. The loop of worker 0 says an event; the worker's mailbox keeps it until the driver asks; the driver
hands it to every subscriber in the run's main thread (console, status, checkpoints, metrics, tracking). What happens to
the workers themselves (`WorkersLost` and the like) is said by the driver's supervisor, on the same path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class EpochRecord:
    """What is known after an epoch. Accuracy and test loss are the averaged weights' on the whole test set.

    `epoch` counts from 1, `step` over the whole training; `finished_at` is Unix time.
    """

    epoch: int
    step: int
    train_loss: float
    test_loss: float
    accuracy: float
    learning_rate: float
    train_seconds: float
    evaluation_seconds: float
    images_per_second: float
    workers: int
    finished_at: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class WorkersReady:
    """All workers have found each other; `at` is Unix time."""

    workers: int
    resumed_epoch: int
    at: float


@dataclass(frozen=True)
class FirstStep:
    """The first optimizer step of this group of workers is done; `at` is Unix time."""

    at: float


@dataclass(frozen=True)
class Progress:
    """Where training stands within an epoch (`epoch` counts from 1): about twice a second, and at the epoch's end.

    Means since the last report: a step took `step_seconds`, of which worker 0 made its batch in `data_seconds`.
    """

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
    """An epoch's figures, and all that continues the training after it (see `state.encode_state`)."""

    record: EpochRecord
    state: bytes


@dataclass(frozen=True)
class Finished:
    """A finished training: weights by name, and what was predicted for each test image (``[N]`` each).

    `onnx` is the network as an ONNX file, made where PyTorch is loaded; empty if it could not be made.
    """

    history: list[EpochRecord]
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


Event = WorkersReady | FirstStep | Progress | EpochFinished | Finished | WorkersLost | WorkersNotStarted | WorkerFailed
Publish = Callable[[Event], None]
Subscriber = Callable[[Event | None], None]
"""Called with every event, in order, and with None after each second of silence."""


def _tells_of_memory(reason: str) -> bool:
    return "OutOfMemory" in reason or "low on memory" in reason
