"""The trainer's session with everything real but Ray: one worker, in a thread of this process."""

from __future__ import annotations

import pickle
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import torch

from mnist_trainer.checkpoints.state import decode_state, encode_state
from mnist_trainer.config import RunConfig
from mnist_trainer.errors import TrainerError
from mnist_trainer.loop.collective import Alone
from mnist_trainer.loop.job import ImageSet, TrainingJob
from mnist_trainer.loop.loop import TrainingLoop
from mnist_trainer.raytrain.messages import EpochFinished, Finished, WorkersReady
from mnist_trainer.run import session
from mnist_trainer.run.console import Console
from mnist_trainer.run.timeline import Timeline

EpochHook = Callable[[int], None]


class BareTraining:
    """In the place of `RayTraining`. `after_epoch` is called, in the main thread, when the state is on its way."""

    after_epoch: EpochHook | None = None

    def __init__(self, *_: Any) -> None:
        self._inbox: queue.Queue[Any] = queue.Queue()

    def begin(self, *_: Any, **__: Any) -> None:
        """Nothing to start."""

    def close(self, *_: Any) -> None:
        """Nothing to end."""

    def provide(self, dataset: Any, plan: Any, state: bytes | None) -> None:
        """Train in a thread, on the dataset as it comes out of a transfer to another process."""
        there = pickle.loads(pickle.dumps(dataset.portable())).open()
        threading.Thread(target=self._train, args=(there, plan, state), daemon=True).start()

    def messages(self) -> Iterator[Any]:
        """What the worker says, as Ray's does."""
        while True:
            try:
                message = self._inbox.get(timeout=0.2)
            except queue.Empty:
                yield None
                continue
            if isinstance(message, Exception):
                raise message
            yield message
            if isinstance(message, Finished):
                return
            if isinstance(message, EpochFinished) and type(self).after_epoch:
                type(self).after_epoch(message.record["epoch"])

    def _train(self, dataset: Any, plan: Any, state: bytes | None) -> None:
        try:
            cpu = torch.device("cpu")
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            train = ImageSet.from_arrays(dataset.train_images, dataset.train_labels, cpu)
            test = ImageSet.from_arrays(dataset.test_images, dataset.test_labels, cpu)
            loop = TrainingLoop(TrainingJob(plan, train, test, cpu), Alone(), self)  # type: ignore[arg-type]
            if state is not None:
                loop.restore(decode_state(state))
            self._inbox.put(WorkersReady(1, decode_state(state).epoch if state else 0, time.time()))
            self._inbox.put(_finished(loop.run()))
        except Exception as error:  # noqa: BLE001  (the main thread raises it)
            self._inbox.put(error)

    def started(self) -> None:
        """The loop's hook."""

    def progressed(self, _: Any) -> None:
        """The loop's hook."""

    def epoch_finished(self, record: Any, state: Any) -> None:
        """The loop's hook."""
        self._inbox.put(EpochFinished(record.as_dict(), encode_state(state)))


def _finished(outcome: Any) -> Finished:
    evaluation = outcome.evaluation
    return Finished(
        history=[record.as_dict() for record in outcome.history],
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
    """Runs sessions; `log` has what they printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.training = type("ThisTraining", (BareTraining,), {})
        self.log = StringIO()
        monkeypatch.setattr(session, "RayTraining", self.training)
        monkeypatch.setattr(session, "raise_on_signals", lambda: None)
        monkeypatch.setattr(session.Session, "_metrics", lambda *_: _NoMetrics(), raising=False)
        torch.set_num_threads(1)

    def run(self, config: RunConfig, env: dict[str, str], after_epoch: EpochHook | None = None) -> dict[str, Any]:
        """One session from beginning to end; returns its result or raises its TrainerError."""
        self.training.after_epoch = staticmethod(after_epoch) if after_epoch else None  # type: ignore[attr-defined]
        return session.Session(config, dict(env), Console(self.log, 0.0), Timeline()).execute()

    def failure(self, config: RunConfig, env: dict[str, str], after_epoch: EpochHook | None = None) -> TrainerError:
        """The error of a session that fails."""
        with pytest.raises(TrainerError) as caught:
            self.run(config, env, after_epoch)
        return caught.value
