"""What the loop asks of its fellow workers: to add up tensors, and to start from worker 0's.

`ProcessGroup` does so by torch.distributed (gloo on CPUs, NCCL on GPUs); `Alone` is the group of one.
"""

from __future__ import annotations

from types import ModuleType
from typing import Protocol

from torch import Tensor


class Pending(Protocol):
    """A sum that was begun."""

    def wait(self) -> object:
        """Return when it is done. Raises RuntimeError when it cannot be, as after the loss of a worker."""
        ...


class Collective(Protocol):
    """A group of workers that run the same program; this one is number `rank`, from 0, of `world_size`."""

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    def sum_(self, tensor: Tensor) -> None:
        """Replace `tensor` by the sum over all workers, in place. Everyone calls it in the same order."""
        ...

    def start_sum_(self, tensor: Tensor) -> Pending:
        """As `sum_`, but only begin with it: `tensor` is the sum once the answer's `wait` has returned."""
        ...

    def broadcast_(self, tensor: Tensor) -> None:
        """Replace `tensor` by worker 0's, in place."""
        ...


class _Done:
    def wait(self) -> None:
        return


class Alone:
    """The group of one: every sum is there already."""

    rank = 0
    world_size = 1

    def sum_(self, tensor: Tensor) -> None:
        return

    def start_sum_(self, tensor: Tensor) -> Pending:
        return _Done()

    def broadcast_(self, tensor: Tensor) -> None:
        return


class ProcessGroup:
    """The workers of torch.distributed's default process group (initialised by the caller)."""

    def __init__(self) -> None:
        import torch.distributed as distributed

        self._distributed = distributed
        self.rank = distributed.get_rank()
        self.world_size = distributed.get_world_size()
        self._is_pair = self.world_size == 2 and distributed.get_backend() == "gloo"

    def sum_(self, tensor: Tensor) -> None:
        self._distributed.all_reduce(tensor)

    def start_sum_(self, tensor: Tensor) -> Pending:
        if self._is_pair:
            return _Exchange(self._distributed, tensor, 1 - self.rank)
        pending: Pending = self._distributed.all_reduce(tensor, async_op=True)
        return pending

    def broadcast_(self, tensor: Tensor) -> None:
        self._distributed.broadcast(tensor, src=0)


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
