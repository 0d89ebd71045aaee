"""A trained network in other formats, with everything around it: from an image's bytes to the classes' probabilities.

All take uint8 images ``[N, C, H, W]`` as the dataset has them (bright ink on black), N is free, and give float32
``[N, classes]``: ``logits`` and ``probabilities``. ``model.onnx`` is part of every release and carries the same facts
as ``model.safetensors``; the others are made when somebody asks.
"""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from mnist_trainer.batches import normalised
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan
from mnist_trainer.release.files import model_metadata

if TYPE_CHECKING:
    from mnist_trainer.inference.model_file import LoadedModel

OPSET = 17
_BATCH_AXIS = {0: "N"}

logger = logging.getLogger(__name__)


class ExportFormat(StrEnum):
    """What `export` writes; the value is the file's usual ending."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    PT2 = "pt2"


def portable(network: nn.Module, normalisation: Normalisation) -> nn.Module:
    """A module of images uint8 ``[N, C, H, W]`` to logits and probabilities (float32 ``[N, classes]`` each).

    It consists of operations that every format of exchange has. It is a copy, on the CPU, in evaluation mode, and
    without gradients.
    """
    return _Whole(_plain(copy.deepcopy(network).cpu()), normalisation).eval().requires_grad_(False)


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
    with warnings.catch_warnings(), _attention_in_operations():
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


def export_model(model: LoadedModel, kind: ExportFormat) -> bytes:
    """The file's bytes. All take uint8 images ``[N, C, H, W]`` and give logits and probabilities."""
    if kind is ExportFormat.ONNX:
        return encode_onnx(model.network, model.spec, model.normalisation, model.metadata)
    network = portable(model.network, model.normalisation)
    example = torch.zeros(2, model.spec.channels, model.spec.height, model.spec.width, dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is in maintenance; who asks for it has a runtime that needs it
        if kind is ExportFormat.TORCHSCRIPT:
            scripted = torch.jit.trace(network, example)  # type: ignore[no-untyped-call]
            torch.jit.save(scripted, buffer, {"facts.txt": _lines(model)})
        else:
            batch = torch.export.Dim("N")
            program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
            torch.export.save(program, buffer, extra_files={"facts.txt": _lines(model)})
    return buffer.getvalue()


@contextmanager
def _attention_in_operations() -> Iterator[None]:
    """Within it, attention is computed by operations that ONNX knows, and not by PyTorch's one for inference."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


class _Whole(nn.Module):
    """Normalises, classifies, and turns logits into probabilities."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network = network
        self.normalisation = normalisation

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(normalised(images, self.normalisation)).float()
        return logits, logits.softmax(1)


class _RegionMeans(nn.Module):
    """What adaptive average pooling computes, in operations that ONNX has. Sizes are fixed when it is traced."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, images: Tensor) -> Tensor:
        height, width = int(images.shape[2]), int(images.shape[3])
        means = [
            images[:, :, top:bottom, left:right].mean((2, 3))
            for top, bottom in _regions(height, self.rows)
            for left, right in _regions(width, self.columns)
        ]
        return torch.stack(means, 2).reshape(-1, images.shape[1], self.rows, self.columns)


def _plain(network: nn.Module) -> nn.Module:
    """The same network without layers that ONNX cannot express for every size. Changes `network`."""
    if isinstance(network, nn.AdaptiveAvgPool2d):
        size = network.output_size
        rows, columns = (size, size) if isinstance(size, int) or size is None else size
        if rows is not None and columns is not None:
            return _RegionMeans(rows, columns)
    for name, child in list(network.named_children()):
        replaced = _plain(child)
        if replaced is not child:
            setattr(network, name, replaced)
    return network


def _regions(length: int, count: int) -> list[tuple[int, int]]:
    """Start and end of each region, as PyTorch lays them."""
    return [(index * length // count, -(-(index + 1) * length // count)) for index in range(count)]


def _lines(model: LoadedModel) -> str:
    return "".join(f"{name}={value}\n" for name, value in sorted(model.metadata.items()))
