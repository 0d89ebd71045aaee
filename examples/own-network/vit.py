"""A small Vision Transformer (Dosovitskiy et al., 2020): the image in patches, each a word, and attention over them.

Two convolutions make the patches, with which a transformer learns from few images (Xiao et al., 2021).
"""

import torch
from torch import Tensor, nn

WIDTH = 64
HEADS = 4
LAYERS = 2


class ViT(nn.Module):
    """About as many as the ResNet beside it."""

    def __init__(self, classes: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.patches = nn.Sequential(
            nn.Conv2d(channels, WIDTH // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(WIDTH // 2),
            nn.ReLU(),
            nn.Conv2d(WIDTH // 2, WIDTH, 3, stride=2, padding=1),
        )
        rows, columns = (-(-side // 4) for side in size)
        self.positions = nn.Parameter(torch.randn(1, rows * columns, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, images: Tensor) -> Tensor:
        words = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.encoder(words).mean(1)))


def build(classes: int, channels: int, size: tuple[int, int]) -> nn.Module:
    """For images of one `size` (height, width)."""
    return ViT(classes, channels, size)
