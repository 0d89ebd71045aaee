"""The training loop of one worker. It knows tensors and a collective, and nothing of Ray, files, stores or Kubernetes.

A step, in `TrainingLoop._run_epoch`: a batch's slice of this worker (`batches`, `augment`) goes through the network
(`models`); loss and gradients are added up over the workers (`collective`) while the next batch is prepared; the
optimizer (`optim`) makes new weights of the sum. After each epoch the averaged weights are evaluated (`evaluate`), and
the figures and the state (`state`) are published as an event.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mnist_trainer.batches import Batch, EpochBatches, ImageSet
from mnist_trainer.collective import Collective
from mnist_trainer.data import Dataset
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.evaluate import Evaluation, evaluate
from mnist_trainer.events import EpochFinished, EpochRecord, Publish
from mnist_trainer.meter import Meter
from mnist_trainer.models import build
from mnist_trainer.optim import FlatParameters, MuonAdamW, one_cycle
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.state import LoopState, ReplicaTensors, encode_state

_STEPS_BETWEEN_LOSS_CHECKS = 50
_MALLOC_TRIM_THRESHOLD, _MALLOC_TOP_PAD, _MALLOC_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


@dataclass(frozen=True)
class TrainingJob:
    """One run, as every worker sees it: the plan, and the data where it computes."""

    plan: TrainingPlan
    train: ImageSet
    test: ImageSet
    device: torch.device

    @classmethod
    def assemble(cls, plan: TrainingPlan, dataset: Dataset, device: torch.device) -> TrainingJob:
        """Put the data on the device: without a copy on a CPU.

        Images in files stay there, also for a GPU: they go to it batch by batch.
        """
        in_file = dataset.source is not None
        return cls(
            plan=plan,
            train=ImageSet.from_arrays(dataset.train_images, dataset.train_labels, device, in_file),
            test=ImageSet.from_arrays(dataset.test_images, dataset.test_labels, device, in_file),
            device=device,
        )

    @property
    def precision(self) -> torch.dtype:
        """Type of the network's arithmetic. `auto` means bfloat16 on GPUs that compute faster in it.

        On CPUs without AMX, bfloat16 is emulated and slow, so that it must be asked for.
        """
        asked = self.plan.precision
        automatic = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if asked == "bf16" or (asked == "auto" and automatic) else torch.float32


@dataclass(frozen=True)
class Outcome:
    """A finished run: its epochs, the last evaluation, and the released (averaged) weights by name."""

    history: list[EpochRecord]
    evaluation: Evaluation
    weights: dict[str, Tensor]


class TrainingLoop:
    """Data-parallel training: all workers hold the same weights and compute different slices of each batch.

    For networks without batch statistics, N workers compute what one computes on the same batches, up to rounding. With
    them (`cnn`) each worker normalises by its own slice during training, and the running statistics are averaged over
    the workers before each evaluation, so that all evaluate, save and release the same network.

    Worker 0 calls `publish` with FirstStep, Progress and EpochFinished. It must not block, for training waits for it;
    what it raises ends the loop.
    """

    def __init__(self, job: TrainingJob, collective: Collective, publish: Publish | None = None) -> None:
        self.job = job
        torch.manual_seed(job.plan.seed)
        self.network = build(job.plan.spec).to(job.device)
        self.flat = FlatParameters(self.network)
        self.optimizer = MuonAdamW(self.flat, job.plan.recipe)
        self._tensors = ReplicaTensors(self.network, self.optimizer)
        self._collective = collective
        self._publish = publish if collective.rank == 0 else None
        self._steps = job.plan.recipe.steps_per_epoch(len(job.train))
        self._meter = Meter(self._steps, collective.world_size, self._publish)
        self._epoch = 0
        self._history: list[EpochRecord] = []
        self._accuracy = -1.0

    def run(self) -> Outcome:
        """Train to the last epoch or the target accuracy. Raises TrainerError(TrainingDiverged)."""
        self._start_from_worker_0()
        evaluation = None
        while self._epoch < self.job.plan.recipe.epochs and not self._target_reached():
            evaluation = self._run_epoch()
        if evaluation is None:  # resumed when all was done
            evaluation = self._evaluate()
        return Outcome(self._history, evaluation, self._released_weights())

    def _run_epoch(self) -> Evaluation:
        job, collective, meter = self.job, self._collective, self._meter
        # For layers that draw (dropout): an epoch that is resumed or repeated draws what it drew before.
        torch.manual_seed(hash((job.plan.seed, self._epoch, collective.rank)) % 2**63)
        meter.start(self._epoch + 1)
        batches = iter(
            EpochBatches(job.plan, job.train, self._epoch, self._steps, collective.rank, collective.world_size)
        )
        loss_sum, rate = torch.zeros((), device=job.device), 0.0
        following = next(batches)
        for step in range(self._steps):
            batch, rate = following, self._learning_rate(step)
            self._compute_gradients(batch)
            gradients = collective.start_sum_(self.flat.reduced)
            with meter.preparing_data():
                following = next(batches, batch)  # while the gradients travel
            gradients.wait()
            loss_sum += self.flat.loss * batch.total
            self.optimizer.step(rate)
            meter.step_done(batch.total, self.flat.loss)
            if (step + 1) % _STEPS_BETWEEN_LOSS_CHECKS == 0:
                self._check_loss(float(loss_sum) / meter.images, step)
        train_loss = float(loss_sum) / max(1, meter.images)  # waits for the device
        self._check_loss(train_loss, self._steps - 1)
        return self._finish_epoch(train_loss, rate, meter.seconds)

    def _compute_gradients(self, batch: Batch) -> None:
        """Leave this worker's share of the batch's mean loss and its gradient in the flat vector."""
        job, flat = self.job, self.flat
        flat.zero_gradients()
        if not len(batch.labels):
            return
        with torch.autocast(job.device.type, torch.bfloat16, enabled=job.precision is torch.bfloat16):
            logits = self.network(batch.images).float()
        smoothing = job.plan.recipe.label_smoothing
        # Each worker divides by the whole batch: then shares add up to the mean, however the batch was cut.
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=smoothing, reduction="sum") / batch.total
        loss.backward()  # type: ignore[no-untyped-call]
        flat.loss.copy_(loss.detach())

    def _learning_rate(self, step: int) -> float:
        recipe = self.job.plan.recipe
        return one_cycle(self._epoch * self._steps + step, recipe.epochs * self._steps, recipe.peak_rate, recipe.warmup)

    def _finish_epoch(self, train_loss: float, rate: float, seconds: float) -> Evaluation:
        began = time.perf_counter()
        self._tensors.average_statistics(self._collective)
        evaluation = self._evaluate()
        self._epoch += 1
        self._accuracy = evaluation.accuracy
        record = EpochRecord(
            epoch=self._epoch,
            step=self.optimizer.updates,
            train_loss=train_loss,
            test_loss=evaluation.loss,
            accuracy=evaluation.accuracy,
            learning_rate=rate,
            train_seconds=seconds,
            evaluation_seconds=time.perf_counter() - began,
            images_per_second=len(self.job.train) / seconds,
            workers=self._collective.world_size,
            finished_at=time.time(),
        )
        self._history.append(record)
        if self._publish:
            self._publish(EpochFinished(record, encode_state(self.state())))
        return evaluation

    def _evaluate(self) -> Evaluation:
        """Evaluate the averaged weights on the test set."""
        self.network.eval()
        try:
            with self.optimizer.averaged_weights():
                return evaluate(self.network, self.job.test, self.job.plan.normalisation, self._collective)
        finally:
            self.network.train()

    def _released_weights(self) -> dict[str, Tensor]:
        """The averaged weights with the network's names for them, as copies."""
        for name, buffer in self.network.named_buffers():
            if name.endswith("num_batches_tracked"):  # counted by each process, but the run's count is meant
                buffer.fill_(self.optimizer.updates)
        with self.optimizer.averaged_weights():
            state = self.network.state_dict()
            return {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in state.items()}

    def state(self) -> LoopState:
        """A copy of everything that a later process needs to go on after the last finished epoch."""
        return LoopState(self._epoch, self.optimizer.updates, self._tensors.copies(), list(self._history))

    def restore(self, state: LoopState) -> None:
        """Go on from `state`; on worker 0 only, `run` gives it to the others. Raises ValueError if it does not fit."""
        self._tensors.restore(state.tensors)
        self.optimizer.updates = state.updates
        self._epoch, self._history = state.epoch, list(state.history)
        self._accuracy = state.history[-1].accuracy if state.history else -1.0

    def _start_from_worker_0(self) -> None:
        """Start all workers from worker 0's state: nobody may begin at another epoch or with other weights."""
        counters = torch.tensor([self._epoch, self.optimizer.updates, self._accuracy], dtype=torch.float64)
        counters = counters.to(self.job.device)
        self._collective.broadcast_(counters)
        self._epoch, self.optimizer.updates = int(counters[0]), int(counters[1])
        self._accuracy = float(counters[2])
        self._tensors.broadcast(self._collective)

    def _check_loss(self, loss: float, step: int) -> None:
        if not math.isfinite(loss):
            message = (
                f"the loss became {loss} in epoch {self._epoch + 1} by step {step + 1}: use a smaller learning rate"
            )
            raise TrainerError(message, FailureReason.TRAINING_DIVERGED)

    def _target_reached(self) -> bool:
        target = self.job.plan.target_accuracy
        return target is not None and self._accuracy >= target


def keep_freed_memory() -> bool:
    """Tell glibc's malloc not to give freed memory back to the kernel, and whether that worked.

    By default every large activation is mapped, zeroed page by page and unmapped again in each step, which here cost
    about a fifth of the training time.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    trim, mmap = mallopt(_MALLOC_TRIM_THRESHOLD, 512 << 20), mallopt(_MALLOC_MMAP_THRESHOLD, 32 << 20)
    return bool(trim and mmap and mallopt(_MALLOC_TOP_PAD, 64 << 20))
