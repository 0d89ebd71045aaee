"""The follower tells everyone what the workers said, and ends when it has been replaced, even in silence."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import jsonschema
import pytest

from mnist_trainer.checkpoints.uploader import Snapshot
from mnist_trainer.errors import TrainerError
from mnist_trainer.kube.claim import ReplacedError
from mnist_trainer.kube.status import compose
from mnist_trainer.raytrain.messages import (
    EpochFinished,
    FirstStep,
    LostWorker,
    Message,
    Progressed,
    WorkersLost,
    WorkersNotStarted,
    WorkersReady,
)
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


CONTRACT = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())


def follower(recorder: Recorder, output: io.StringIO, elastic: bool = False) -> Follower:
    return Follower(
        4,
        1000,
        Console(output, 0.0),
        recorder,  # type: ignore[arg-type]
        recorder,  # type: ignore[arg-type]
        Timeline(),
        elastic=elastic,
    )


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
        WorkersLost((LostWorker(1, "workers-abc", "killed"),)),
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
        "lostWorkers": 1,
        "lastLostWorker": {"name": "workers-abc", "epoch": 2, "time": ANY, "message": ANY},
    }
    text = output.getvalue()
    assert "2 workers ready" in text
    assert "epoch 1/4  accuracy 90.00 %" in text
    assert "worker 1 on workers-abc: killed" in text


LOST = WorkersLost((LostWorker(1, "pod-b", "its node died"), LostWorker(2, "pod-c", "its node died")))


def lost_worker(*messages: Message, elastic: bool = False) -> tuple[int, dict[str, Any]]:
    """What the status says of lost workers after some messages, in the shape that the contract has for it."""
    recorder = Recorder()
    with pytest.raises(TrainerError):
        follower(recorder, io.StringIO(), elastic).follow(messages)
    shown = {name: value for name, value in recorder.fields.items() if name in ("lostWorkers", "lastLostWorker")}
    jsonschema.validate(compose(1, "r", {"state": "Training", **shown}), CONTRACT["statusTraining"])
    return shown.get("lostWorkers", 0), shown.get("lastLostWorker", {})


def test_a_lost_worker_is_named_counted_and_said_to_be_replaced():
    count, last = lost_worker(WorkersReady(3, 0, 1.0), LOST)
    assert (count, last["name"], last["epoch"]) == (2, "pod-b", 1)
    assert last["message"] == "Training starts again at epoch 1 once a worker replaces it."
    count, last = lost_worker(WorkersReady(3, 0, 1.0), EpochFinished(RECORD, b""), LOST, LOST, elastic=True)
    assert (count, last["epoch"]) == (4, 2)
    expected = "Training goes on from the end of epoch 1 once a worker replaces it, or with fewer workers."
    assert last["message"] == expected


def test_a_loss_after_resuming_counts_from_the_epoch_resumed():
    assert lost_worker(WorkersReady(3, 2, 1.0), LOST)[1]["epoch"] == 3


def test_a_worker_that_never_started_was_not_lost():
    assert lost_worker(WorkersNotStarted({4: "no module named torch"})) == (0, {})


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
