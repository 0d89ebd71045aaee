"""Networks. Each takes images ``[N, C, H, W]`` (normalised floats) and returns logits ``[N, classes]``.

`Cnn` is the default, made for few images per step on few cores. `LeNet5` and `Mlp` have no batch statistics: with them,
N workers compute what one computes.
"""

from __future__ import annotations

from torch import Tensor, nn

from mnist_trainer.code.network import build_network, is_own
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.plan import ModelSpec

# Multiples of 16, as many as a vector holds: 48 channels take longer than 64.
_CNN_CHANNELS = (16, 32, 64, 64)
_MLP_HIDDEN = (512, 256)
_MIN_SIDE = {"cnn": 4, "mlp": 1, "lenet5": 12}


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


class Cnn(nn.Module):
    """Convolutions (6x6 stride 2, then three 3x3) with batch normalisation, and one linear layer.

    67 thousand parameters for 28x28 images. The first convolution halves the image at once and pooling comes before its
    normalisation, since memory traffic, not arithmetic, is what small networks wait for.
    """

    def __init__(self, classes: int, height: int, width: int, channels: int) -> None:
        super().__init__()
        first, second, third, fourth = _CNN_CHANNELS
        # 28x28 images need no padding (28 -> 12 -> 10 -> 5 -> 3); for others the mean over 3x3 regions fits the head.
        is_mnist_sized = (height, width) == (28, 28)
        padding = 0 if is_mnist_sized else 1
        self.features = nn.Sequential(
            *_block(channels, first, kernel=6, stride=2, padding=2 * padding),
            *_block(first, second, padding=padding, pool=True),
            *_block(second, third, padding=padding),
            *_block(third, fourth, padding=1),
        )
        self.regions: nn.Module = nn.Identity() if is_mnist_sized else nn.AdaptiveAvgPool2d(3)
        self.head = nn.Linear(fourth * 9, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, classes]`` of images ``[N, C, H, W]``."""
        return self.head(self.regions(self.features(images)).flatten(1))  # type: ignore[no-any-return]


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


_NETWORKS: dict[str, type[nn.Module]] = {"cnn": Cnn, "mlp": Mlp, "lenet5": LeNet5}
