"""Networks fit their data, and refuse what they cannot take."""

from __future__ import annotations

import pytest
import torch

from mnist_trainer.errors import TrainerError
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec


@pytest.mark.parametrize("model", ["cnn", "mlp", "lenet5"])
@pytest.mark.parametrize(("height", "width", "channels", "classes"), [(28, 28, 1, 10), (32, 32, 3, 62), (20, 31, 1, 2)])
def test_logits(model, height, width, channels, classes):
    network = build(ModelSpec(model, classes, height, width, channels)).eval()
    assert network(torch.rand(3, channels, height, width)).shape == (3, classes)


@pytest.mark.parametrize(("model", "side"), [("cnn", 3), ("lenet5", 11)])
def test_too_small_images(model, side):
    with pytest.raises(TrainerError, match=f"these are {side}x{side}"):
        build(ModelSpec(model, 10, side, side))


def test_default_network_is_small():
    parameters = sum(p.numel() for p in build(ModelSpec("cnn", 10)).parameters())
    assert parameters < 100_000


def test_only_the_default_network_has_batch_statistics():
    for model in ("mlp", "lenet5"):
        assert not list(build(ModelSpec(model, 10)).buffers())
