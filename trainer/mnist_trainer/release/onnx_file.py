"""``model.onnx``: the network with its normalisation, for runtimes that know nothing of PyTorch.

Input ``images``: uint8 ``[N, C, H, W]``, as the dataset has them (bright ink on black). Outputs, float32
``[N, classes]``: ``logits`` and ``probabilities``. N is free. The same facts as in ``model.safetensors`` stand in the
model's metadata.
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

import numpy.typing as npt
import onnx
import torch
from torch import nn

from mnist_trainer.inference.portable import portable
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan
from mnist_trainer.release.model_file import model_metadata

OPSET = 17
_BATCH_AXIS = {0: "N"}

logger = logging.getLogger(__name__)


def encode_weights_as_onnx(weights: dict[str, npt.NDArray[Any]], plan: TrainingPlan, accuracy: float) -> bytes:
    """The file for trained weights; empty, with a line in the log, where the exporter fails.

    A model that took hours to train is worth publishing without it.
    """
    try:
        network = build(plan.spec)
        network.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
        return encode_onnx(network.eval(), plan.spec, plan.normalisation, model_metadata(plan, accuracy))
    except Exception:
        logger.exception("no model.onnx in this release: the network cannot be exported")
        return b""


def encode_onnx(network: nn.Module, spec: ModelSpec, normalisation: Normalisation, metadata: dict[str, str]) -> bytes:
    """The file's bytes, equal for equal weights and metadata. `network` is on the CPU, in evaluation mode."""
    example = torch.zeros(2, spec.channels, spec.height, spec.width, dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that traces takes 0.4 s where its successor takes 5 s and two more packages; both are in PyTorch.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            portable(network, normalisation),
            (example,),
            buffer,  # type: ignore[arg-type]  # the annotation names paths only
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["logits", "probabilities"],
            dynamic_axes=dict.fromkeys(("images", "logits", "probabilities"), _BATCH_AXIS),
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {**metadata, "input": "uint8 images [N, C, H, W], bright ink on black"})
    model.doc_string = f"{spec.name}: images of {spec.height}x{spec.width} pixels, {spec.classes} classes"
    onnx.checker.check_model(model)
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded
