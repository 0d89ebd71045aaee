"""The trainer's run with everything real but Ray: one worker, in a thread of this process."""

from __future__ import annotations

import os
import pickle
import queue
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import pytest
import torch

from mnist_trainer.code.network import add_to_path
from mnist_trainer.code.source import Code
from mnist_trainer.collective import Alone
from mnist_trainer.config import RunConfig
from mnist_trainer.errors import TrainerError
from mnist_trainer.events import EpochFinished, Event, Finished, Subscriber, WorkersReady
from mnist_trainer.run import training_run
from mnist_trainer.run.console import Console
from mnist_trainer.run.training_run import Timeline
from mnist_trainer.state import decode_state
from mnist_trainer.train import TrainingJob, TrainingLoop
from mnist_trainer.workers.driver import hand_on

EpochHook = Callable[[int], None]


class BareTraining:
    """In the place of `RayTraining`. `after_epoch` is called, in the main thread, when the state is on its way."""

    after_epoch: EpochHook | None = None

    def __init__(self, *_: Any) -> None:
        self._events: queue.Queue[Any] = queue.Queue()

    def begin(self, *_: Any, **__: Any) -> None:
        """Nothing to start."""

    def close(self, *_: Any) -> None:
        """Nothing to end."""

    def provide(self, dataset: Any, plan: Any, state: bytes | None, code: bytes | None = None) -> None:
        """Train in a thread, on the dataset as it comes out of a transfer to another process."""
        add_to_path(Code("the user's code", code).place(os.environ))
        there = pickle.loads(pickle.dumps(dataset.portable())).open()
        threading.Thread(target=self._train, args=(there, plan, state), daemon=True).start()

    def follow(self, subscribers: Sequence[Subscriber]) -> Finished:
        """Tell the subscribers what the worker says, as the real one does, and then the test."""
        return hand_on(self._events, [*subscribers, self._tell_test])

    def _tell_test(self, event: Event | None) -> None:
        if isinstance(event, EpochFinished) and type(self).after_epoch:
            type(self).after_epoch(event.record.epoch)

    def _train(self, dataset: Any, plan: Any, state: bytes | None) -> None:
        try:
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            job = TrainingJob.assemble(plan, dataset, torch.device("cpu"))
            loop = TrainingLoop(job, Alone(), self._events.put)
            if state is not None:
                loop.restore(decode_state(state))
            self._events.put(WorkersReady(1, decode_state(state).epoch if state else 0, time.time()))
            self._events.put(_finished(loop.run()))
        except TrainerError as error:
            self._events.put(error)
        except Exception as error:  # noqa: BLE001  (the main thread raises it)
            self._events.put(TrainerError(f"{type(error).__name__}: {error}"))


def _finished(outcome: Any) -> Finished:
    evaluation = outcome.evaluation
    return Finished(
        history=outcome.history,
        weights={name: weight.numpy() for name, weight in outcome.weights.items()},
        accuracy=evaluation.accuracy,
        loss=evaluation.loss,
        predictions=evaluation.predictions.numpy(),
        confidences=evaluation.confidences.numpy(),
        true_confidences=evaluation.true_confidences.numpy(),
        versions={},
        device="cpu",
        at=time.time(),
    )


class _NoMetrics:
    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_: None


class Bare:
    """Runs trainings; `log` has what they printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.training = type("ThisTraining", (BareTraining,), {})
        self.log = StringIO()
        monkeypatch.setattr(training_run, "RayTraining", self.training)
        monkeypatch.setattr(training_run, "raise_on_signals", lambda: None)
        monkeypatch.setattr(training_run.TrainingRun, "_metrics", lambda *_: _NoMetrics(), raising=False)
        torch.set_num_threads(1)

    def run(self, config: RunConfig, env: dict[str, str], after_epoch: EpochHook | None = None) -> dict[str, Any]:
        """One run from beginning to end; returns its result or raises its TrainerError."""
        self.training.after_epoch = staticmethod(after_epoch) if after_epoch else None  # type: ignore[attr-defined]
        return training_run.TrainingRun(config, dict(env), Console(self.log, 0.0), Timeline()).execute()

    def failure(self, config: RunConfig, env: dict[str, str], after_epoch: EpochHook | None = None) -> TrainerError:
        """The error of a run that fails."""
        with pytest.raises(TrainerError) as caught:
            self.run(config, env, after_epoch)
        return caught.value
