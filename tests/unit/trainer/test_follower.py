"""The follower tells everyone what the workers said, and ends when it has been replaced, even in silence."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mnist_trainer.checkpoints.uploader import Snapshot
from mnist_trainer.errors import TrainerError
from mnist_trainer.kube.claim import ReplacedError
from mnist_trainer.raytrain.messages import EpochFinished, FirstStep, Progressed, WorkersLost, WorkersReady
from mnist_trainer.run.console import Console
from mnist_trainer.run.follower import Follower
from mnist_trainer.run.timeline import Timeline


class Recorder:
    """A reporter and an uploader in one."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.snapshots: list[Snapshot] = []
        self.replaced = False

    def update(self, state: Any = None, **fields: Any) -> None:
        self.fields.update(fields, **({"state": state.value} if state else {}))

    def check(self) -> None:
        if self.replaced:
            raise ReplacedError("another process now trains it")

    def confirm(self, timeout: float) -> None: ...

    def submit(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)


def follower(recorder: Recorder, output: io.StringIO) -> Follower:
    return Follower(4, 1000, Console(output, 0.0), recorder, recorder, Timeline())  # type: ignore[arg-type]


RECORD = {
    "epoch": 1,
    "accuracy": 0.9,
    "train_loss": 0.5,
    "test_loss": 0.4,
    "train_seconds": 2.0,
    "evaluation_seconds": 1.0,
    "images_per_second": 500.0,
    "workers": 2,
}


def test_everyone_is_told():
    recorder, output = Recorder(), io.StringIO()
    messages = [
        WorkersReady(2, 0, 1.0),
        FirstStep(2.0),
        Progressed(1, 5, 10, 0.7, 500.0, 2),
        EpochFinished(RECORD, b"state"),
        WorkersLost({1: "killed"}, False),
    ]
    with pytest.raises(TrainerError, match="ended without a result"):
        follower(recorder, output).follow(messages)
    assert recorder.snapshots == [Snapshot(1, 0.9, b"state")]
    assert recorder.fields == {
        "state": "Training",
        "workers": 0,
        "epoch": 1,
        "progressPercent": 25,
        "loss": 0.5,
        "accuracy": 0.9,
        "imagesPerSecond": 500.0,
        "etaSeconds": 9,
    }
    text = output.getvalue()
    assert "2 workers ready" in text
    assert "epoch 1/4  accuracy 90.00 %" in text
    assert "worker 1: killed" in text


def test_progress_within_an_epoch():
    recorder = Recorder()
    with pytest.raises(TrainerError):
        follower(recorder, io.StringIO()).follow([Progressed(2, 5, 10, 0.7, 500.0, 2)])
    assert (recorder.fields["progressPercent"], recorder.fields["etaSeconds"]) == (37, 5)


def test_replaced_in_silence():
    recorder = Recorder()

    def silence():
        yield None
        recorder.replaced = True
        while True:
            yield None

    with pytest.raises(ReplacedError):
        follower(recorder, io.StringIO()).follow(silence())
