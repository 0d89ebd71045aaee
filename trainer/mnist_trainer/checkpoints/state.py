"""The loop's state as bytes: a safetensors file whose header carries counters and history. No pickle."""

from __future__ import annotations

import json

from safetensors import SafetensorError
from safetensors.torch import load, save

from mnist_trainer.loop.job import EpochRecord, LoopState

_FORMAT = "mnist-training/state/v1"


def encode_state(state: LoopState) -> bytes:
    """Serialise; the inverse of `decode_state`."""
    metadata = {
        "format": _FORMAT,
        "epoch": str(state.epoch),
        "updates": str(state.updates),
        "history": json.dumps([record.as_dict() for record in state.history]),
    }
    return save({name: tensor.contiguous() for name, tensor in state.tensors.items()}, metadata)


def decode_state(data: bytes) -> LoopState:
    """Read what `encode_state` wrote. Raises ValueError for anything else."""
    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        if metadata["format"] != _FORMAT:
            raise ValueError(f"unknown format {metadata['format']!r}")
        history = [EpochRecord(**record) for record in json.loads(metadata["history"])]
        return LoopState(int(metadata["epoch"]), int(metadata["updates"]), tensors, history)
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a saved training state: {error}") from error
