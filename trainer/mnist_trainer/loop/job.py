"""What the loop is given and what it hands out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mnist_trainer.plan import TrainingPlan


@dataclass(frozen=True)
class ImageSet:
    """Images uint8 ``[N, C, H, W]`` and labels uint8 ``[N]``. They may lie in shared memory and are only read.

    Labels lie where it is computed; images may lie elsewhere (in a file, where they are too many): `take` brings some.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor) -> Tensor:
        """The images at `indices`, where it is computed."""
        return self.images.index_select(0, indices.to(self.images.device)).to(self.labels.device)

    @classmethod
    def from_arrays(
        cls, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], device: torch.device, in_file: bool = False
    ) -> ImageSet:
        """Wrap ``[N, H, W]`` or ``[N, H, W, C]`` arrays; on a CPU without a copy. Images `in_file` stay there."""
        pixels = torch.from_numpy(images)
        pixels = pixels.unsqueeze(1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
        return cls(pixels if in_file else pixels.to(device), torch.from_numpy(labels).to(device))


@dataclass(frozen=True)
class TrainingJob:
    """One run, as every worker sees it."""

    plan: TrainingPlan
    train: ImageSet
    test: ImageSet
    device: torch.device

    @property
    def precision(self) -> torch.dtype:
        """Type of the network's arithmetic. `auto` means bfloat16 on GPUs that compute faster in it.

        On CPUs without AMX, bfloat16 is emulated and slow, so that it must be asked for.
        """
        asked = self.plan.precision
        automatic = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if asked == "bf16" or (asked == "auto" and automatic) else torch.float32


@dataclass(frozen=True)
class EpochRecord:
    """What is known after an epoch. Accuracy and test loss are the averaged weights' on the whole test set."""

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
        """The fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class StepProgress:
    """Where training stands within an epoch (`epoch` counts from 1).

    Means since the last report: a step took `step_seconds`, of which this worker made its batch in `data_seconds`.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    images_per_second: float
    workers: int
    step_seconds: float
    data_seconds: float


@dataclass
class LoopState:
    """All that continues a run after `epoch` finished epochs: vectors by name, the number of updates, the history."""

    epoch: int
    updates: int
    tensors: dict[str, Tensor]
    history: list[EpochRecord]


class TrainingHooks(Protocol):
    """Called on worker 0 only. They must not block: training waits for them."""

    def started(self) -> None:
        """The first step of this process is done."""

    def progressed(self, progress: StepProgress) -> None:
        """About twice a second, and at the end of each epoch."""

    def epoch_finished(self, record: EpochRecord, state: LoopState) -> None:
        """After the evaluation of each epoch; `state` holds copies."""
