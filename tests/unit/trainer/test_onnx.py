"""``model.onnx`` computes in another runtime what the network computes in PyTorch, for any number of images."""

from __future__ import annotations

import io
import logging

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mnist_trainer.inference.answers import probabilities
from mnist_trainer.inference.export import encode_weights_as_onnx
from mnist_trainer.inference.model_file import load_model
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan, make_recipe
from mnist_trainer.release.files import encode_model, model_metadata

SIZES = [
    ModelSpec("cnn", 10, 28, 28, 1),
    ModelSpec("cnn", 5, 32, 40, 3),
    ModelSpec("cnn", 47, 9, 17, 1),
    ModelSpec("mlp", 10, 28, 28, 1),
    ModelSpec("lenet5", 10, 20, 28, 1),
]


def trained(spec: ModelSpec) -> tuple[dict[str, np.ndarray], TrainingPlan]:
    """Weights with batch statistics that are not those of a new network, and their plan."""
    torch.manual_seed(3)
    network = build(spec).train()
    for _ in range(3):
        network(torch.randn(16, spec.channels, spec.height, spec.width))
    plan = TrainingPlan(spec, make_recipe(spec.name, 100, 1, 8, 1, None), Normalisation(0.13, 0.31), lineage="abc")
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}, plan


@pytest.mark.parametrize("spec", SIZES, ids=lambda spec: f"{spec.name}-{spec.height}x{spec.width}x{spec.channels}")
def test_parity_with_pytorch(spec):
    weights, plan = trained(spec)
    loaded = load_model(encode_model(weights, plan, 0.5), "here")
    session = onnxruntime.InferenceSession(encode_weights_as_onnx(weights, plan, 0.5))
    random = np.random.default_rng(0)
    for count in (1, 2, 7):
        images = random.integers(0, 256, (count, spec.channels, spec.height, spec.width), dtype=np.uint8)
        logits, shares = session.run(["logits", "probabilities"], {"images": images})
        expected = probabilities(loaded, np.moveaxis(images, 1, 3) if spec.channels > 1 else images[:, 0])
        assert shares.shape == (count, spec.classes)
        np.testing.assert_allclose(shares, expected, atol=1e-5)
        np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), expected, atol=1e-5)


def test_the_file_says_how_to_use_it():
    weights, plan = trained(SIZES[0])
    data = encode_weights_as_onnx(weights, plan, 0.75)
    session = onnxruntime.InferenceSession(data)
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("images", "tensor(uint8)", ["N", 1, 28, 28])
    facts = session.get_modelmeta().custom_metadata_map
    assert facts.items() >= model_metadata(plan, 0.75).items()
    assert facts["classes"] == "10"
    assert "uint8" in facts["input"]
    onnx.checker.check_model(onnx.load(io.BytesIO(data)), full_check=True)


def test_equal_runs_give_equal_files():
    weights, plan = trained(SIZES[0])
    assert encode_weights_as_onnx(weights, plan, 0.5) == encode_weights_as_onnx(dict(weights), plan, 0.5)


def test_a_network_that_cannot_be_exported_costs_no_release(caplog):
    weights, plan = trained(SIZES[0])
    del weights["head.weight"]
    with caplog.at_level(logging.ERROR):
        assert encode_weights_as_onnx(weights, plan, 0.5) == b""
    assert "no model.onnx in this release" in caplog.text
