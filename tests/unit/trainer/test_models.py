"""Networks fit their data, and refuse what they cannot take."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save
from torch.nn import functional

from mnist_trainer.errors import TrainerError
from mnist_trainer.inference.model_file import load_model
from mnist_trainer.models import FirstCnn, PixelBlocks, build
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


@pytest.mark.parametrize(("height", "width"), [(28, 28), (20, 36)])
def test_pixel_blocks_make_of_a_3x3_convolution_a_6x6_one_of_stride_2(height, width):
    images, weights = torch.randn(2, 3, height, width), torch.randn(5, 3, 6, 6)
    blocks, kernels = PixelBlocks()(images), functional.pixel_unshuffle(weights, 2)
    expected = functional.conv2d(images, weights, stride=2)
    torch.testing.assert_close(functional.conv2d(blocks, kernels), expected, rtol=1e-4, atol=1e-4)


def test_pixel_blocks_of_odd_sizes_end_with_zeros():
    blocks = PixelBlocks()(torch.ones(1, 1, 3, 5))
    assert blocks.shape == (1, 4, 2, 3)
    assert blocks.sum() == 15


@pytest.mark.parametrize(("height", "width"), [(28, 28), (20, 31)])
def test_a_model_that_release_0_1_0_trained_still_answers(height, width):
    former = FirstCnn(10, height, width, 1).eval()
    facts = {"model": "cnn", "classes": "10", "height": str(height), "width": str(width), "channels": "1"}
    saved = save(former.state_dict(), {**facts, "mean": "0.13", "std": "0.31"})
    loaded = load_model(saved, "model.safetensors")
    images = torch.randn(4, 1, height, width)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network(images), former(images))
