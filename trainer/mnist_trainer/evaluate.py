"""Evaluation on the test set: each worker computes a part, and every worker gets the whole result."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_trainer.batches import ImageSet, normalised, shard
from mnist_trainer.collective import Collective
from mnist_trainer.plan import Normalisation

_BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """Figures over a whole set, and what was predicted for each image (``[N]`` each, on the CPU).

    `confidences` are the probabilities of the predicted classes, `true_confidences` those of the true ones.
    """

    loss: float
    correct: int
    predictions: Tensor
    confidences: Tensor
    true_confidences: Tensor

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is the true one, 0 to 1."""
        return self.correct / max(1, len(self.predictions))


@torch.inference_mode()
def evaluate(network: nn.Module, data: ImageSet, normalisation: Normalisation, collective: Collective) -> Evaluation:
    """Run `network` (in evaluation mode, always in float32) over all of `data`."""
    count, device = len(data), data.labels.device
    # Each worker fills its own part of a zeroed table; the sum over workers is the whole table.
    table = torch.zeros(4, count, dtype=torch.float64, device=device)
    start, end = shard(count, collective.world_size, collective.rank)
    for first in range(start, end, _BATCH):
        last = min(end, first + _BATCH)
        labels = data.labels[first:last].long()
        images = normalised(data.images[first:last].to(device), normalisation)
        logits = network(images.contiguous(memory_format=torch.channels_last)).float()
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
