"""Read ``model.safetensors`` back into a network."""

from __future__ import annotations

import json
from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation

_NUMBERS = ("classes", "height", "width", "channels")


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode, and how its images are normalised."""

    network: nn.Module
    spec: ModelSpec
    normalisation: Normalisation
    metadata: dict[str, str]
    """The facts in the file's header, all of them."""


def load_model(data: bytes, where: str) -> LoadedModel:
    """Build the network that a release holds. Raises InvalidConfigError, naming `where`, for other bytes."""
    try:
        weights = load(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        spec = ModelSpec(metadata["model"], *(int(metadata[name]) for name in _NUMBERS))
        normalisation = Normalisation(float(metadata["mean"]), float(metadata["std"]))
        network = build(spec)
        network.load_state_dict(weights)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidConfigError(f"{where} is not a model that this trainer has released: {reason}") from error
    return LoadedModel(network.eval(), spec, normalisation, metadata)
