"""The training loop of one worker."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.loop.batches import Batch, EpochBatches
from mnist_trainer.loop.collective import Collective
from mnist_trainer.loop.evaluation import Evaluation
from mnist_trainer.loop.job import EpochRecord, LoopState, StepProgress, TrainingHooks, TrainingJob
from mnist_trainer.loop.replica import Replica
from mnist_trainer.recipe.schedule import one_cycle

_PROGRESS_SECONDS = 0.5
_STEPS_BETWEEN_LOSS_CHECKS = 50


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
    """

    def __init__(self, job: TrainingJob, collective: Collective, hooks: TrainingHooks | None = None) -> None:
        self.job = job
        self.replica = Replica(job, collective)
        self._collective = collective
        self._hooks = hooks if collective.rank == 0 else None
        self._steps = job.plan.recipe.steps_per_epoch(len(job.train))
        self._epoch = 0
        self._history: list[EpochRecord] = []
        self._accuracy = -1.0
        self._first_step_done = False

    def state(self) -> LoopState:
        """A copy of everything that a later process needs to go on after the last finished epoch."""
        return LoopState(self._epoch, self.replica.optimizer.updates, self.replica.tensors(), list(self._history))

    def restore(self, state: LoopState) -> None:
        """Go on from `state`. Needed on worker 0 only: `run` gives it to the others."""
        self.replica.restore(state.tensors)
        self.replica.optimizer.updates = state.updates
        self._epoch, self._history = state.epoch, list(state.history)
        self._accuracy = state.history[-1].accuracy if state.history else -1.0

    def run(self) -> Outcome:
        """Train to the last epoch or the target accuracy. Raises TrainerError(TrainingDiverged)."""
        self._take_over_from_first()
        evaluation = None
        while self._epoch < self.job.plan.recipe.epochs and not self._target_reached():
            evaluation = self._run_epoch()
        if evaluation is None:  # resumed when all was done
            evaluation = self.replica.evaluate()
        return Outcome(self._history, evaluation, self.replica.released_weights())

    def _run_epoch(self) -> Evaluation:
        began = reported = time.perf_counter()
        rank, world_size = self._collective.rank, self._collective.world_size
        batches = iter(EpochBatches(self.job, self._epoch, self._steps, rank, world_size))
        total_loss = torch.zeros((), device=self.job.device)
        seen, rate = 0, 0.0
        reported_step, data_seconds = 0, 0.0
        batch = next(batches)
        for step in range(self._steps):
            rate, total = self._rate(step), batch.total
            self._compute_gradients(batch)
            gradients = self._collective.start_sum_(self.replica.flat.reduced)
            waiting = time.perf_counter()
            batch = next(batches, batch)  # while the gradients travel
            data_seconds += time.perf_counter() - waiting
            gradients.wait()
            total_loss += self.replica.flat.loss * total
            self.replica.optimizer.step(rate)
            seen += total
            now = time.perf_counter()
            if (step + 1) % _STEPS_BETWEEN_LOSS_CHECKS == 0:
                self._check_loss(float(total_loss) / seen, step)
            if self._hooks and not self._first_step_done:
                self._first_step_done = True
                self._hooks.started()
            if self._hooks and (now - reported >= _PROGRESS_SECONDS or step + 1 == self._steps):
                steps = step + 1 - reported_step
                progress = StepProgress(
                    epoch=self._epoch + 1,
                    step=step + 1,
                    steps=self._steps,
                    loss=float(self.replica.flat.loss),
                    images_per_second=seen / (now - began),
                    workers=world_size,
                    step_seconds=(now - reported) / steps,
                    data_seconds=data_seconds / steps,
                )
                reported, reported_step, data_seconds = now, step + 1, 0.0
                self._hooks.progressed(progress)
        train_loss = float(total_loss) / max(1, seen)  # waits for the device
        self._check_loss(train_loss, self._steps - 1)
        return self._finish_epoch(train_loss, rate, time.perf_counter() - began)

    def _compute_gradients(self, batch: Batch) -> None:
        """Leave this worker's share of the batch's mean loss and its gradient in the flat vector."""
        job, flat = self.job, self.replica.flat
        flat.zero_gradients()
        if not len(batch.labels):
            return
        with torch.autocast(job.device.type, torch.bfloat16, enabled=job.precision is torch.bfloat16):
            logits = self.replica.network(batch.images).float()
        smoothing = job.plan.recipe.label_smoothing
        # Each worker divides by the whole batch: then shares add up to the mean, however the batch was cut.
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=smoothing, reduction="sum") / batch.total
        loss.backward()  # type: ignore[no-untyped-call]
        flat.loss.copy_(loss.detach())

    def _finish_epoch(self, train_loss: float, rate: float, seconds: float) -> Evaluation:
        began = time.perf_counter()
        self.replica.average_statistics()
        evaluation = self.replica.evaluate()
        self._epoch += 1
        self._accuracy = evaluation.accuracy
        record = EpochRecord(
            epoch=self._epoch,
            step=self.replica.optimizer.updates,
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
        if self._hooks:
            self._hooks.epoch_finished(record, self.state())
        return evaluation

    def _rate(self, step: int) -> float:
        recipe = self.job.plan.recipe
        return one_cycle(self._epoch * self._steps + step, recipe.epochs * self._steps, recipe.peak_rate, recipe.warmup)

    def _check_loss(self, loss: float, step: int) -> None:
        if not math.isfinite(loss):
            message = (
                f"the loss became {loss} in epoch {self._epoch + 1} by step {step + 1}: use a smaller learning rate"
            )
            raise TrainerError(message, FailureReason.TRAINING_DIVERGED)

    def _target_reached(self) -> bool:
        target = self.job.plan.target_accuracy
        return target is not None and self._accuracy >= target

    def _take_over_from_first(self) -> None:
        """Start all workers from worker 0's state: nobody may begin at another epoch or with other weights."""
        counters = torch.tensor([self._epoch, self.replica.optimizer.updates, self._accuracy], dtype=torch.float64)
        counters = counters.to(self.job.device)
        self._collective.broadcast_(counters)
        self._epoch, self.replica.optimizer.updates = int(counters[0]), int(counters[1])
        self._accuracy = float(counters[2])
        self.replica.take_over_from_first()
