"""A released model in other formats."""

from __future__ import annotations

import io
import warnings
from enum import StrEnum

import torch

from mnist_trainer.inference.model_file import LoadedModel
from mnist_trainer.inference.portable import portable
from mnist_trainer.release.onnx_file import encode_onnx


class ExportFormat(StrEnum):
    """What `export` writes; the value is the file's usual ending."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    PT2 = "pt2"


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


def _lines(model: LoadedModel) -> str:
    return "".join(f"{name}={value}\n" for name, value in sorted(model.metadata.items()))
