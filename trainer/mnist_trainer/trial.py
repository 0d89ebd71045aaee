"""Tries a network of the user's own as training and release will, on a few random images: `python -m` runs it.

It is a process of its own, since the driver never imports PyTorch, and code of the user's may end or hang it. The
request comes on standard input, the answer goes to standard output, both as JSON; what the code prints goes to standard
error.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torch.nn import functional

from mnist_trainer.batches import ImageSet, normalised
from mnist_trainer.code import words
from mnist_trainer.code.network import add_to_path
from mnist_trainer.collective import Alone
from mnist_trainer.errors import CodeInvalidError, TrainerError
from mnist_trainer.inference.export import encode_onnx
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation, Recipe, TrainingPlan
from mnist_trainer.train import TrainingJob, TrainingLoop

_IMAGES = 32
_NORMALISATION = Normalisation(0.5, 0.29)
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Facts:
    """What is known of a network that passed."""

    parameters: int


def try_network(spec: ModelSpec) -> Facts:
    """Build, train, repeat and export the network. Raises TrainerError, whose sentence says what it lacks."""
    torch.manual_seed(0)
    network = build(spec)
    _check_parameters(spec, network)
    _check_output(spec, network)
    _check_gradients(spec, network)
    _check_repetition(spec)
    _check_export(spec, network.eval())
    return Facts(sum(parameter.numel() for parameter in network.parameters()))


def _check_parameters(spec: ModelSpec, network: nn.Module) -> None:
    parameters = dict(network.named_parameters())
    lazy = [name for name, value in parameters.items() if isinstance(value, nn.parameter.UninitializedParameter)]
    if lazy:
        raise CodeInvalidError(f"{spec.name}: {lazy[0]} has no size yet: use layers whose sizes are given")
    if not any(value.requires_grad and value.numel() for value in parameters.values()):
        raise CodeInvalidError(f"{spec.name} returned a network without parameters to train")
    others = {name: value.dtype for name, value in parameters.items() if value.dtype is not torch.float32}
    if others:
        name, dtype = next(iter(others.items()))
        raise CodeInvalidError(f"{spec.name}: {name} is {dtype}: parameters must be torch.float32")


def _check_output(spec: ModelSpec, network: nn.Module) -> None:
    for training in (True, False):
        output = _forward(spec, network.train(training), _pictures(spec, 3))
        wanted = (3, spec.classes)
        if not isinstance(output, Tensor):
            raise CodeInvalidError(f"{spec.name}: the network returns a {type(output).__name__}, and not a tensor")
        if tuple(output.shape) != wanted:
            raise CodeInvalidError(
                f"{spec.name}: for 3 images of {spec.channels} x {spec.height} x {spec.width} the network returns a "
                f"tensor of {_shape(output.shape)}, and not of {_shape(wanted)}: one logit for each class"
            )
        if not torch.isfinite(output).all():
            raise CodeInvalidError(f"{spec.name}: the untrained network returns numbers that are not finite")


def _check_gradients(spec: ModelSpec, network: nn.Module) -> None:
    output = _forward(spec, network.train(), _pictures(spec, 3))
    try:
        functional.cross_entropy(output.float(), torch.zeros(3, dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise CodeInvalidError(f"{spec.name}: there is no gradient: {words.of_exception(error)}") from error
    if all(value.grad is None for value in network.parameters()):
        raise CodeInvalidError(f"{spec.name}: the output does not depend on the parameters")
    network.zero_grad(set_to_none=True)


def _check_repetition(spec: ModelSpec) -> None:
    """Equal seeds must give equal weights, or no run could be repeated, resumed or spread over workers."""
    try:
        first, second = _weights_after_training(spec), _weights_after_training(spec)
    except TrainerError:
        raise
    except Exception as error:
        raise CodeInvalidError(f"{spec.name} cannot be trained: {words.of_exception(error)}") from error
    if not torch.equal(first, second):
        raise CodeInvalidError(
            f"{spec.name}: two trainings from the same seed differ: draw random numbers from torch's own generator only"
        )


def _weights_after_training(spec: ModelSpec) -> Tensor:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (_IMAGES, spec.channels, spec.height, spec.width), dtype=np.uint8)
    labels = random.integers(0, spec.classes, _IMAGES, dtype=np.uint8)
    data = ImageSet(torch.from_numpy(images), torch.from_numpy(labels))
    plan = TrainingPlan(spec, Recipe(batch=_IMAGES // 2, epochs=2, peak_rate=1e-3), _NORMALISATION)
    loop = TrainingLoop(TrainingJob(plan, data, data, torch.device("cpu")), Alone())
    loop.run()
    return loop.flat.values.clone()


def _check_export(spec: ModelSpec, network: nn.Module) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, spec.channels, spec.height, spec.width), dtype=np.uint8)
    try:
        encoded = encode_onnx(network, spec, _NORMALISATION, {})
        outputs: Any = ReferenceEvaluator(encoded).run(["logits"], {"images": images})
        found = outputs[0]
    except Exception as error:
        raise CodeInvalidError(
            f"{spec.name} cannot be exported to ONNX: {words.of_exception(error)}; use layers that ONNX has, and no "
            "Python branches on values"
        ) from error
    with torch.inference_mode():
        expected = network(normalised(torch.from_numpy(images), _NORMALISATION)).numpy()
    if found.shape != expected.shape or not np.allclose(found, expected, atol=_TOLERANCE, rtol=_TOLERANCE):
        raise CodeInvalidError(
            f"{spec.name}: exported to ONNX, the network computes something else: it depends on the number of images "
            "or on values in Python"
        )


def _pictures(spec: ModelSpec, count: int) -> Tensor:
    """Random images in the order of memory that training has them in."""
    images = torch.randn(count, spec.channels, spec.height, spec.width)
    return images.contiguous(memory_format=torch.channels_last)


def _forward(spec: ModelSpec, network: nn.Module, images: Tensor) -> Any:
    try:
        return network(images)
    except Exception as error:
        raise CodeInvalidError(
            f"{spec.name}: the network fails for {len(images)} images of {_shape(images.shape[1:])}: "
            f"{words.of_exception(error)}"
        ) from error


def _shape(sizes: Any) -> str:
    return " x ".join(map(str, sizes)) or "no dimensions"


def main() -> int:
    """Answer `{"folder": ..., "spec": {...}}` with `{"facts": ...}` or with `{"reason": ..., "message": ...}`."""
    answers = os.dup(1)
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    torch.set_num_threads(1)
    add_to_path(Path(request["folder"]) if request["folder"] else None)
    try:
        answer: dict[str, Any] = {"facts": asdict(try_network(ModelSpec(**request["spec"])))}
    except TrainerError as error:
        answer = {"reason": error.reason.value, "message": error.message}
    except MemoryError:
        answer = {"reason": "OutOfMemory", "message": "the network does not fit into the memory of the Ray head"}
    with os.fdopen(answers, "w") as file:
        json.dump(answer, file)
        file.flush()
    os._exit(0)  # threads of the user's must not hold up the answer


if __name__ == "__main__":
    sys.exit(main())
