"""A small ResNet (He et al., 2015): three stages of residual blocks, then the mean over what is left of the image."""

from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions, and around them what came in."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.around = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return (self.layers(images) + self.around(images)).relu()


class ResNet(nn.Module):
    """77 thousand parameters for one channel."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Conv2d(channels, 16, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            Block(16, 16, stride=1),
            Block(16, 32, stride=2),
            Block(32, 64, stride=2),
        )
        self.head = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(images).mean((2, 3)))


def build(classes: int, channels: int, size: tuple[int, int]) -> nn.Module:
    """For images of any `size` (height, width)."""
    return ResNet(classes, channels)
