"""The default: four small convolutions, made for few images per step on few cores."""

from __future__ import annotations

from torch import Tensor, nn

# Multiples of 16, as many as a vector holds: 48 channels take longer than 64.
_WIDTHS = (16, 32, 64, 64)


class Cnn(nn.Module):
    """Convolutions (6x6 stride 2, then three 3x3) with batch normalisation, and one linear layer.

    67 thousand parameters for 28x28 images. The first convolution halves the image at once and pooling comes before its
    normalisation, since memory traffic, not arithmetic, is what small networks wait for.
    """

    def __init__(self, classes: int, height: int, width: int, channels: int) -> None:
        super().__init__()
        first, second, third, fourth = _WIDTHS
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
