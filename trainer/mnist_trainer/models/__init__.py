"""Networks. Each takes images ``[N, C, H, W]`` (normalised floats) and returns logits ``[N, classes]``."""

from __future__ import annotations

from torch import nn

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.models.cnn import Cnn
from mnist_trainer.models.lenet5 import LeNet5
from mnist_trainer.models.mlp import Mlp
from mnist_trainer.plan import ModelSpec

_LEAST_SIDE = {"cnn": 4, "mlp": 1, "lenet5": 12}
_NETWORKS: dict[str, type[nn.Module]] = {"cnn": Cnn, "mlp": Mlp, "lenet5": LeNet5}


def build(spec: ModelSpec) -> nn.Module:
    """Make the network, with PyTorch's random initial weights (seed the global generator before).

    Raises InvalidConfigError for images too small for the network.
    """
    least = _LEAST_SIDE[spec.name]
    if min(spec.height, spec.width) < least:
        size = f"{spec.height}x{spec.width}"
        raise InvalidConfigError(
            f"--model {spec.name} needs images of at least {least}x{least} pixels; these are {size}"
        )
    return _NETWORKS[spec.name](spec.classes, spec.height, spec.width, spec.channels)
