"""Networks. Each takes images ``[N, C, H, W]`` (normalised floats) and returns logits ``[N, classes]``.

`Cnn` is the default, made for few images per step on few cores. `LeNet5` and `Mlp` have no batch statistics: with them,
N workers compute what one computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_trainer.code.network import build_network, is_own
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.plan import ModelSpec

# Multiples of 16, as many as a vector holds: 48 channels take longer than 64.
_CNN_CHANNELS = (32, 64, 64)
_MLP_HIDDEN = (512, 256)
_MIN_SIDE = {"cnn": 4, "mlp": 1, "lenet5": 12, "cnn-0.1.0": 4}


def build(spec: ModelSpec) -> nn.Module:
    """Make the network, with PyTorch's random initial weights (seed the global generator before).

    Raises InvalidConfigError for images too small for the network, CodeInvalidError for one of the user's that fails.
    """
    if is_own(spec.name):
        return build_network(spec.name, spec.classes, spec.channels, (spec.height, spec.width))
    minimum = _MIN_SIDE[spec.name]
    if min(spec.height, spec.width) < minimum:
        size = f"{spec.height}x{spec.width}"
        raise InvalidConfigError(
            f"--model {spec.name} needs images of at least {minimum}x{minimum} pixels; these are {size}"
        )
    return _NETWORKS[spec.name](spec.classes, spec.height, spec.width, spec.channels)


def build_released(spec: ModelSpec, weights: Mapping[str, Tensor]) -> nn.Module:
    """Make the network that released `weights` (by name) belong to: today's, or a former one. Raises as `build`."""
    is_first = spec.name == "cnn" and "features.0.weight" in weights
    return build(replace(spec, name="cnn-0.1.0") if is_first else spec)


class Cnn(nn.Module):
    """Three 3x3 convolutions with batch normalisation on images cut into 2x2 pixels, and one linear layer.

    59 thousand parameters for 28x28 images. A 2x2 block of pixels becomes one of four channels, which makes of the
    first convolution what a 6x6 one of stride 2 computes, in a fifth of the time that its gradient takes. It is pooled
    at once, since what small networks wait for is the size of what travels between their layers.
    """

    def __init__(self, classes: int, height: int, width: int, channels: int) -> None:
        super().__init__()
        first, second, third = _CNN_CHANNELS
        # 28x28 images need no padding (28 -> 14 -> 6 -> 4 -> 2); for others the mean over 3x3 regions fits the head.
        is_mnist_sized = (height, width) == (28, 28)
        padding, side = (0, 2) if is_mnist_sized else (1, 3)
        self.features = nn.Sequential(
            PixelBlocks(),
            *_block(4 * channels, first, padding=padding, pool=True),
            *_block(first, second, padding=padding),
            *_block(second, third, padding=padding),
        )
        self.regions: nn.Module = nn.Identity() if is_mnist_sized else nn.AdaptiveAvgPool2d(side)
        self.head = nn.Linear(third * side * side, classes)
        _initialise_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, classes]`` of images ``[N, C, H, W]``."""
        return self.head(self.regions(self.features(images)).flatten(1))  # type: ignore[no-any-return]


class PixelBlocks(nn.Module):
    """Images ``[N, C, H, W]`` as ``[N, 4C, H/2, W/2]``, rounded up: each 2x2 block of pixels becomes four channels."""

    def forward(self, images: Tensor) -> Tensor:
        """The same pixels in another order; a missing row or column is 0."""
        height, width = images.shape[-2:]
        if height % 2 or width % 2:
            images = functional.pad(images, (0, int(width % 2), 0, int(height % 2)))
        return functional.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)


class FirstCnn(nn.Module):
    """The `cnn` of release 0.1.0, for its models and checkpoints: a 6x6 convolution of stride 2, then three of 3x3."""

    def __init__(self, classes: int, height: int, width: int, channels: int) -> None:
        super().__init__()
        is_mnist_sized = (height, width) == (28, 28)
        padding = 0 if is_mnist_sized else 1
        self.features = nn.Sequential(
            *_block(channels, 16, kernel=6, stride=2, padding=2 * padding),
            *_block(16, 32, padding=padding, pool=True),
            *_block(32, 64, padding=padding),
            *_block(64, 64, padding=1),
        )
        self.regions: nn.Module = nn.Identity() if is_mnist_sized else nn.AdaptiveAvgPool2d(3)
        self.head = nn.Linear(64 * 9, classes)
        _initialise_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, classes]`` of images ``[N, C, H, W]``."""
        return self.head(self.regions(self.features(images)).flatten(1))  # type: ignore[no-any-return]


def _initialise_convolutions(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _block(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1, pool: bool = False
) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    # Statistics forget quickly, so that they fit the averaged weights that are evaluated.
    return [*layers, nn.BatchNorm2d(outputs, momentum=0.05), nn.ReLU(inplace=True)]


class LeNet5(nn.Module):
    """LeNet-5, with ReLU and max pooling.

    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998.
    """

    def __init__(self, classes: int, height: int, width: int, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        flattened = 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        self.classifier = nn.Sequential(
            nn.Linear(flattened, 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, 84),
            nn.ReLU(inplace=True),
            nn.Linear(84, classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, classes]`` of images ``[N, C, H, W]``."""
        return self.classifier(self.features(images).flatten(1))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """Two hidden layers with ReLU: the network without convolutions, to compare with."""

    def __init__(self, classes: int, height: int, width: int, channels: int) -> None:
        super().__init__()
        first, second = _MLP_HIDDEN
        self.layers = nn.Sequential(
            nn.Linear(channels * height * width, first),
            nn.ReLU(inplace=True),
            nn.Linear(first, second),
            nn.ReLU(inplace=True),
            nn.Linear(second, classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, classes]`` of images ``[N, C, H, W]``."""
        return self.layers(images.flatten(1))  # type: ignore[no-any-return]


_NETWORKS: dict[str, type[nn.Module]] = {"cnn": Cnn, "mlp": Mlp, "lenet5": LeNet5, "cnn-0.1.0": FirstCnn}
