"""What the loop asks of its fellow workers: to add up tensors."""

from __future__ import annotations

from types import ModuleType
from typing import Protocol

from torch import Tensor


class Pending(Protocol):
    """What was begun and is not yet done."""

    def wait(self) -> object:
        """Return when it is done. Raises RuntimeError when it cannot be, as after the loss of a worker."""
        ...


class Collective(Protocol):
    """A group of workers that run the same program."""

    @property
    def rank(self) -> int:
        """Number of this worker, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """How many workers there are."""
        ...

    def sum_(self, tensor: Tensor) -> None:
        """Replace `tensor` by the sum over all workers, in place. Everyone calls it in the same order."""
        ...

    def start_sum_(self, tensor: Tensor) -> Pending:
        """As `sum_`, but only begin with it: `tensor` is the sum once the answer's `wait` has returned."""
        ...

    def broadcast_(self, tensor: Tensor) -> None:
        """Replace `tensor` by worker 0's, in place."""
        ...


class Done:
    """Nothing to wait for."""

    def wait(self) -> None:
        """Return at once."""


class Alone:
    """The only worker there is."""

    rank = 0
    world_size = 1

    def sum_(self, tensor: Tensor) -> None:
        """Nothing to add."""

    def start_sum_(self, tensor: Tensor) -> Pending:
        """Nothing to add."""
        return Done()

    def broadcast_(self, tensor: Tensor) -> None:
        """Nobody to send to."""


class _Exchange:
    """The sum over two workers: each sends all it has to the other, and adds.

    Gloo's all-reduce sends halves, twice one after the other, which takes about twice as long. The sums are the same.
    """

    def __init__(self, distributed: ModuleType, tensor: Tensor, other: int) -> None:
        self._tensor = tensor
        self._received = tensor.new_empty(tensor.shape)
        self._pending = (distributed.isend(tensor, other), distributed.irecv(self._received, other))

    def wait(self) -> None:
        for part in self._pending:
            part.wait()
        self._tensor.add_(self._received)


class ProcessGroup:
    """The workers of torch.distributed's default process group (initialised by the caller)."""

    def __init__(self) -> None:
        import torch.distributed as distributed

        self._distributed = distributed
        self.rank = distributed.get_rank()
        self.world_size = distributed.get_world_size()
        self._is_pair = self.world_size == 2 and distributed.get_backend() == "gloo"

    def sum_(self, tensor: Tensor) -> None:
        """Sum over all workers, in place."""
        self._distributed.all_reduce(tensor)

    def start_sum_(self, tensor: Tensor) -> Pending:
        """Sum over all workers, in place, while the caller does something else."""
        if self._is_pair:
            return _Exchange(self._distributed, tensor, 1 - self.rank)
        pending: Pending = self._distributed.all_reduce(tensor, async_op=True)
        return pending

    def broadcast_(self, tensor: Tensor) -> None:
        """Copy worker 0's tensor to all, in place."""
        self._distributed.broadcast(tensor, src=0)
