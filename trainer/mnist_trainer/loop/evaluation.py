"""Evaluation on the test set, each worker a part of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_trainer.loop.collective import Collective
from mnist_trainer.loop.job import ImageSet
from mnist_trainer.loop.partition import cut
from mnist_trainer.plan import Normalisation

_BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """Figures over a whole set, and what was predicted for each image (``[N]`` each)."""

    loss: float
    correct: int
    predictions: Tensor
    confidences: Tensor
    true_confidences: Tensor

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is the true one."""
        return self.correct / max(1, len(self.predictions))


def normalised(images: Tensor, normalisation: Normalisation) -> Tensor:
    """Float images from uint8 ones, as networks take them."""
    return images.float().mul_(1 / (255 * normalisation.std)).sub_(normalisation.mean / normalisation.std)


@torch.inference_mode()
def evaluate(network: nn.Module, data: ImageSet, normalisation: Normalisation, collective: Collective) -> Evaluation:
    """Run `network` (in evaluation mode, always in float32) over all of `data`. Every worker gets the whole result."""
    count, device = len(data), data.labels.device
    # Each worker fills its own part of a zeroed table; the sum over workers is the whole table.
    table = torch.zeros(4, count, dtype=torch.float64, device=device)
    start, end = cut(count, collective.world_size, collective.rank)
    for first in range(start, end, _BATCH):
        last = min(end, first + _BATCH)
        labels = data.labels[first:last].long()
        logits = network(_contiguous(normalised(data.images[first:last].to(device), normalisation))).float()
        probabilities = logits.softmax(1)
        confidence, prediction = probabilities.max(1)
        table[0, first:last] = functional.cross_entropy(logits, labels, reduction="none").double()
        table[1, first:last] = prediction.double()
        table[2, first:last] = confidence.double()
        table[3, first:last] = probabilities.gather(1, labels[:, None])[:, 0].double()
    collective.sum_(table)
    predictions = table[1].long()
    return Evaluation(
        loss=float(table[0].mean()) if count else 0.0,
        correct=int((predictions == data.labels.long()).sum()),
        predictions=predictions.cpu(),
        confidences=table[2].cpu(),
        true_confidences=table[3].cpu(),
    )


def _contiguous(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
