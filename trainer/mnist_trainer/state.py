"""All that continues a run after an epoch, and its form as bytes: checkpoints hold it, and so does the driver.

It is the optimizer's vectors, the network's statistics, the number of updates and the history. All workers hold the
same: it is restored on worker 0, which gives it to the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from mnist_trainer.collective import Collective
from mnist_trainer.events import EpochRecord
from mnist_trainer.optim import MuonAdamW

_FORMAT = "mnist-training/state/v1"


@dataclass
class LoopState:
    """A run after `epoch` finished epochs: vectors by name (copies, on the CPU), the number of updates, the history."""

    epoch: int
    updates: int
    tensors: dict[str, Tensor]
    history: list[EpochRecord]


class ReplicaTensors:
    """The tensors of one worker's network and optimizer that belong to its state.

    `statistics` are the running means and variances of batch normalisation, in one vector; each worker's are of other
    images until `average_statistics`.
    """

    def __init__(self, network: nn.Module, optimizer: MuonAdamW) -> None:
        self._optimizer = optimizer
        self._buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]

    def copies(self) -> dict[str, Tensor]:
        """All of them by name, on the CPU."""
        return {name: tensor.to("cpu", copy=True) for name, tensor in self._all().items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `copies` returned, in this or another process. Raises ValueError if it does not fit."""
        own = self._all()
        for name, tensor in own.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise ValueError(f"the saved state does not fit the network: {name}")
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
        self._set_statistics(tensors["statistics"])

    def broadcast(self, collective: Collective) -> None:
        """Replace everything by worker 0's."""
        for tensor in self._optimizer.tensors().values():
            collective.broadcast_(tensor)
        if self._buffers:
            statistics = self._statistics()
            collective.broadcast_(statistics)
            self._set_statistics(statistics)

    def average_statistics(self, collective: Collective) -> None:
        """Replace the running statistics by their mean over the workers, each of which saw other images."""
        if self._buffers and collective.world_size > 1:
            statistics = self._statistics()
            collective.sum_(statistics)
            self._set_statistics(statistics.div_(collective.world_size))

    def _all(self) -> dict[str, Tensor]:
        return {**self._optimizer.tensors(), "statistics": self._statistics()}

    def _statistics(self) -> Tensor:
        if not self._buffers:
            return torch.zeros(0, device=self._optimizer.flat.values.device)
        return torch.cat([buffer.reshape(-1) for buffer in self._buffers])

    def _set_statistics(self, vector: Tensor) -> None:
        offset = 0
        for buffer in self._buffers:
            buffer.copy_(vector[offset : offset + buffer.numel()].view(buffer.shape))
            offset += buffer.numel()


def encode_state(state: LoopState) -> bytes:
    """A safetensors file whose header carries counters and history (no pickle); the inverse of `decode_state`."""
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
