"""One worker's copy of what is trained: network, optimizer, averaged weights, statistics."""

from __future__ import annotations

import torch
from torch import Tensor

from mnist_trainer.loop.collective import Collective
from mnist_trainer.loop.evaluation import Evaluation, evaluate
from mnist_trainer.loop.flat import FlatParameters
from mnist_trainer.loop.job import TrainingJob
from mnist_trainer.loop.optimizer import FlatOptimizer
from mnist_trainer.models import build


class Replica:
    """The state of a run that has nothing to do with its progress. All workers hold the same."""

    def __init__(self, job: TrainingJob, collective: Collective) -> None:
        self._job = job
        self._collective = collective
        torch.manual_seed(job.plan.seed)
        self.network = build(job.plan.spec).to(job.device)
        self.flat = FlatParameters(self.network)
        self.optimizer = FlatOptimizer(self.flat, job.plan.recipe)
        self._statistics = [b for b in self.network.buffers() if b.is_floating_point()]

    def tensors(self) -> dict[str, Tensor]:
        """Copies of all vectors that make up the state, by name."""
        return {name: tensor.to("cpu", copy=True) for name, tensor in self._all_tensors().items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` returned, in this or another process. Raises ValueError if it does not fit."""
        own = self._all_tensors()
        for name, tensor in own.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise ValueError(f"the saved state does not fit the network: {name}")
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
        self._set_statistics(tensors["statistics"])

    def take_over_from_first(self) -> None:
        """Replace everything by worker 0's."""
        for tensor in self.optimizer.tensors().values():
            self._collective.broadcast_(tensor)
        if self._statistics:
            vector = self._gathered_statistics()
            self._collective.broadcast_(vector)
            self._set_statistics(vector)

    def average_statistics(self) -> None:
        """Replace the running statistics by their mean over the workers, each of which saw other images."""
        if self._statistics and self._collective.world_size > 1:
            vector = self._gathered_statistics()
            self._collective.sum_(vector)
            self._set_statistics(vector.div_(self._collective.world_size))

    def evaluate(self) -> Evaluation:
        """Evaluate the averaged weights on the test set; training goes on with the others."""
        kept = self.flat.values.clone()
        self.flat.values.copy_(self.optimizer.average)
        self.network.eval()
        try:
            return evaluate(self.network, self._job.test, self._job.plan.normalisation, self._collective)
        finally:
            self.flat.values.copy_(kept)
            self.network.train()

    def released_weights(self) -> dict[str, Tensor]:
        """The averaged weights with the network's names for them, as copies."""
        kept = self.flat.values.clone()
        self.flat.values.copy_(self.optimizer.average)
        for buffer in self.network.buffers():
            if not buffer.is_floating_point():  # batches seen: counted by each process, but the run's count is meant
                buffer.fill_(self.optimizer.updates)
        state = self.network.state_dict()
        weights = {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in state.items()}
        self.flat.values.copy_(kept)
        return weights

    def _all_tensors(self) -> dict[str, Tensor]:
        return {**self.optimizer.tensors(), "statistics": self._gathered_statistics()}

    def _gathered_statistics(self) -> Tensor:
        if not self._statistics:
            return torch.zeros(0, device=self._job.device)
        return torch.cat([buffer.reshape(-1) for buffer in self._statistics])

    def _set_statistics(self, vector: Tensor) -> None:
        offset = 0
        for buffer in self._statistics:
            buffer.copy_(vector[offset : offset + buffer.numel()].view(buffer.shape))
            offset += buffer.numel()
