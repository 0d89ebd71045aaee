"""A trained network with everything around it: from an image's bytes to the classes' probabilities."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mnist_trainer.batches import normalised
from mnist_trainer.plan import Normalisation


def portable(network: nn.Module, normalisation: Normalisation) -> nn.Module:
    """A module of images uint8 ``[N, C, H, W]`` to logits and probabilities (float32 ``[N, classes]`` each).

    It consists of operations that every format of exchange has. It is a copy, on the CPU, in evaluation mode, and
    without gradients.
    """
    return _Whole(_plain(copy.deepcopy(network).cpu()), normalisation).eval().requires_grad_(False)


class _Whole(nn.Module):
    """Normalises, classifies, and turns logits into probabilities."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network = network
        self.normalisation = normalisation

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(normalised(images, self.normalisation)).float()
        return logits, logits.softmax(1)


class _RegionMeans(nn.Module):
    """What adaptive average pooling computes, in operations that ONNX has. Sizes are fixed when it is traced."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, images: Tensor) -> Tensor:
        height, width = int(images.shape[2]), int(images.shape[3])
        means = [
            images[:, :, top:bottom, left:right].mean((2, 3))
            for top, bottom in _regions(height, self.rows)
            for left, right in _regions(width, self.columns)
        ]
        return torch.stack(means, 2).reshape(-1, images.shape[1], self.rows, self.columns)


def _plain(network: nn.Module) -> nn.Module:
    """The same network without layers that ONNX cannot express for every size. Changes `network`."""
    if isinstance(network, nn.AdaptiveAvgPool2d):
        size = network.output_size
        rows, columns = (size, size) if isinstance(size, int) or size is None else size
        if rows is not None and columns is not None:
            return _RegionMeans(rows, columns)
    for name, child in list(network.named_children()):
        replaced = _plain(child)
        if replaced is not child:
            setattr(network, name, replaced)
    return network


def _regions(length: int, count: int) -> list[tuple[int, int]]:
    """Start and end of each region, as PyTorch lays them."""
    return [(index * length // count, -(-(index + 1) * length // count)) for index in range(count)]
