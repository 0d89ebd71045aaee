"""Read a released model back, to classify images with it: ``model.safetensors`` or ``model.onnx``.

Which of the two it is, is told from the content. Both carry the same facts: network, classes and their names, image
size and channels, normalisation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx.reference import ReferenceEvaluator
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from mnist_trainer.batches import normalised
from mnist_trainer.code.network import is_own
from mnist_trainer.errors import InvalidConfigError, TrainerError
from mnist_trainer.inference.answers import Model, class_names_of, spec_of
from mnist_trainer.models import build_released
from mnist_trainer.plan import ModelSpec, Normalisation

_BATCH = 64  # images at a time through the ONNX evaluator, which keeps every layer's output


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode, and how its images are normalised."""

    network: nn.Module
    spec: ModelSpec
    normalisation: Normalisation
    metadata: dict[str, str]
    """The facts in the file's header, all of them."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each class, or none at all."""
        return class_names_of(self.metadata)

    @torch.inference_mode()
    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Of the classes, [N, classes], for images [N, C, H, W]."""
        pixels = torch.from_numpy(np.array(images))  # a copy: arrays that are read-only cannot be shared with PyTorch
        result: npt.NDArray[np.float32] = self.network(normalised(pixels, self.normalisation)).softmax(1).numpy()
        return result


@dataclass(frozen=True)
class OnnxModel:
    """A ``model.onnx``, computed by ONNX's own reference: slower than a runtime, and there without one."""

    evaluator: ReferenceEvaluator
    spec: ModelSpec
    metadata: dict[str, str]

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each class, or none at all."""
        return class_names_of(self.metadata)

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Of the classes, [N, classes], for images [N, C, H, W]."""
        parts = [
            next(iter(self.evaluator.run(["probabilities"], {"images": images[start : start + _BATCH]})))
            for start in range(0, len(images), _BATCH)
        ]
        return np.concatenate(parts)


def load_model(data: bytes, where: str) -> LoadedModel:
    """Build the network that a ``model.safetensors`` holds. Raises InvalidConfigError, naming `where`, for others."""
    try:
        weights = load(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        spec = spec_of(metadata)
        normalisation = Normalisation(float(metadata["mean"]), float(metadata["std"]))
        network = _build(spec, weights, where)
        network.load_state_dict(weights)
        class_names_of(metadata)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        if _onnx_facts(data):
            raise InvalidConfigError(
                f"{where} is an ONNX model, which only `predict` takes: give model.safetensors"
            ) from None
        raise _no_model(where, error) from error
    return LoadedModel(network.eval(), spec, normalisation, metadata)


def _build(spec: ModelSpec, weights: Mapping[str, torch.Tensor], where: str) -> nn.Module:
    try:
        return build_released(spec, weights)
    except TrainerError as error:
        if not is_own(spec.name):
            raise
        raise InvalidConfigError(
            f"{where} has the weights of {spec.name}, a network of its user's own, which cannot be built here "
            f"({error.message}): put its files on PYTHONPATH, or use model.onnx, which needs none"
        ) from error


def load_classifier(data: bytes, where: str) -> Model:
    """A ``model.safetensors`` or ``model.onnx``, to classify images. Raises InvalidConfigError, naming `where`."""
    metadata = _onnx_facts(data)
    if not metadata:
        return load_model(data, where)
    try:
        spec = spec_of(metadata)
        class_names_of(metadata)
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
        return OnnxModel(ReferenceEvaluator(model), spec, metadata)
    except (KeyError, ValueError, onnx.checker.ValidationError) as error:
        raise _no_model(where, error) from error


def _onnx_facts(data: bytes) -> dict[str, str]:
    """The metadata of an ONNX file; empty for any other file."""
    if data[8:9] == b"{":  # safetensors: eight bytes of length, then JSON
        return {}
    try:
        return {entry.key: entry.value for entry in onnx.load_model_from_string(data).metadata_props}
    except DecodeError:
        return {}


def _no_model(where: str, error: Exception) -> InvalidConfigError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InvalidConfigError(f"{where} is not a model that this trainer has released: {reason}")
