"""A multi-layer perceptron: the network without convolutions, to compare with."""

from __future__ import annotations

from torch import Tensor, nn

_HIDDEN = (512, 256)


class Mlp(nn.Module):
    """Two hidden layers with ReLU. It has no batch statistics, so that N workers compute exactly what one computes."""

    def __init__(self, classes: int, height: int, width: int, channels: int) -> None:
        super().__init__()
        first, second = _HIDDEN
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
