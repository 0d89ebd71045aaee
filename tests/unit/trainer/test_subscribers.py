"""What workers say reaches everyone, in order; the status says it as the contract has it."""

from __future__ import annotations

import io
import json
import queue
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import jsonschema
import pytest
from tests.unit.trainer.release_support import record, small_training

from mnist_trainer.checkpoints import CheckpointUploader
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.events import (
    EpochFinished,
    Event,
    FirstStep,
    LostWorker,
    Progress,
    WorkerFailed,
    WorkersLost,
    WorkersNotStarted,
    WorkersReady,
)
from mnist_trainer.kube.claim import ReplacedError
from mnist_trainer.kube.reporter import compose
from mnist_trainer.run.console import Console
from mnist_trainer.run.status import StatusUpdates
from mnist_trainer.run.training_run import Timeline
from mnist_trainer.workers.driver import hand_on

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())
RECORD = replace(record(1), accuracy=0.9, train_loss=0.5, test_loss=0.4, evaluation_seconds=1.0, images_per_second=500)
LOST = WorkersLost((LostWorker(1, "pod-b", "its node died"), LostWorker(2, "pod-c", "its node died")))


class Recorder:
    """A reporter that remembers the status."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.replaced = False

    def update(self, state: Any = None, **fields: Any) -> None:
        self.fields.update(fields, **({"state": state.value} if state else {}))

    def check(self) -> None:
        if self.replaced:
            raise ReplacedError("another process now trains it")

    def confirm(self, timeout: float) -> None: ...


def events_of(*events: Event | TrainerError) -> queue.Queue[Event | TrainerError]:
    filled: queue.Queue[Event | TrainerError] = queue.Queue()
    for event in events:
        filled.put(event)
    return filled


def reported(*events: Event, elastic: bool = False) -> dict[str, Any]:
    """The status after some events of a training of four epochs, once it is sure to be one of the contract."""
    recorder = Recorder()
    status = StatusUpdates(recorder, 4, 1000, elastic)
    for event in events:
        status.observe(event)
    jsonschema.validate(compose(1, "r", {"state": "Training", **recorder.fields}), CONTRACT["statusTraining"])
    return recorder.fields


def test_the_status_follows_the_training():
    lost = WorkersLost((LostWorker(1, "workers-abc", "killed"),))
    events = [WorkersReady(2, 0, 1.0), FirstStep(2.0), Progress(1, 5, 10, 0.7, 500.0, 2), EpochFinished(RECORD, b"")]
    assert reported(*events, lost) == {
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


def test_progress_within_an_epoch():
    fields = reported(Progress(2, 5, 10, 0.7, 500.0, 2))
    assert (fields["progressPercent"], fields["etaSeconds"]) == (37, 5)


def test_a_lost_worker_is_named_counted_and_said_to_be_replaced():
    fields = reported(WorkersReady(3, 0, 1.0), LOST)
    last = fields["lastLostWorker"]
    assert (fields["lostWorkers"], last["name"], last["epoch"]) == (2, "pod-b", 1)
    assert last["message"] == "Training starts again at epoch 1 once a worker replaces it."
    fields = reported(WorkersReady(3, 0, 1.0), EpochFinished(RECORD, b""), LOST, LOST, elastic=True)
    last = fields["lastLostWorker"]
    assert (fields["lostWorkers"], last["epoch"]) == (4, 2)
    expected = "Training goes on from the end of epoch 1 once a worker replaces it, or with fewer workers."
    assert last["message"] == expected


def test_a_loss_after_resuming_counts_from_the_epoch_resumed():
    assert reported(WorkersReady(3, 2, 1.0), LOST)["lastLostWorker"]["epoch"] == 3


def test_a_worker_that_never_started_was_not_lost():
    assert reported(WorkersNotStarted({4: "no module named torch"})) == {"workers": 0}


def test_a_person_is_told():
    output = io.StringIO()
    console = Console(output, 0.0)
    for event in (WorkersReady(2, 0, 1.0), EpochFinished(RECORD, b""), LOST, WorkersNotStarted({4: "no torch"})):
        console.observe(event, epochs=4)
    text = output.getvalue()
    assert "2 workers ready" in text
    assert "epoch 1/4  accuracy 90.00 %" in text
    assert "worker 1 on pod-b (and 1 more): its node died" in text
    assert "worker 4 did not start: no torch" in text


def test_every_subscriber_gets_every_event_and_the_last_is_returned(dataset):
    finished = small_training(dataset)
    timeline, told, saved = Timeline(), [], []
    uploader = CheckpointUploader(lambda *state: saved.append(state))
    events = [WorkersReady(2, 0, 1.0), FirstStep(2.0), EpochFinished(RECORD, b"state"), finished]
    subscribers = [timeline.observe, uploader.observe, told.append, partial(Console(io.StringIO()).observe, epochs=4)]
    assert hand_on(events_of(*events), subscribers) is finished
    assert [event for event in told if event is not None] == events
    assert uploader.close(30)
    assert saved == [(1, 0.9, b"state")]
    assert timeline.as_dict() == {"workersReady": 1.0, "firstStep": 2.0, "trained": finished.at}


def test_losses_without_an_epoch_between_them_end_the_training_and_the_last_is_told_too(dataset):
    finished = small_training(dataset)
    told: list[Event | None] = []
    with pytest.raises(TrainerError, match="lost 4 times without finishing an epoch; worker 1 on pod-b") as caught:
        hand_on(events_of(*[LOST] * 4), [told.append])
    assert caught.value.reason is FailureReason.WORKERS_LOST
    assert told.count(LOST) == 4
    spread = [LOST] * 3 + [EpochFinished(RECORD, b"")] + [WorkersNotStarted({0: "x"})] * 3
    assert hand_on(events_of(*spread, finished), []) is finished


def test_memory_that_is_short_is_named_as_the_cause():
    killed = WorkersLost((LostWorker(0, "pod-a", "the node was low on memory"),))
    with pytest.raises(TrainerError) as caught:
        hand_on(events_of(*[killed] * 4), [])
    assert caught.value.reason is FailureReason.OUT_OF_MEMORY


def test_a_failure_that_another_try_would_not_cure_ends_the_training():
    with pytest.raises(TrainerError, match="too large") as caught:
        hand_on(events_of(WorkerFailed("TrainingDiverged", "too large")), [])
    assert caught.value.reason is FailureReason.TRAINING_DIVERGED
    with pytest.raises(TrainerError, match="no cluster"):
        hand_on(events_of(TrainerError("no cluster")), [])


def test_replaced_in_silence():
    recorder = Recorder()
    silences: list[None] = []

    def in_silence(event: Event | None) -> None:
        assert event is None
        silences.append(event)
        recorder.replaced = True

    with pytest.raises(ReplacedError):
        hand_on(queue.Queue(), [StatusUpdates(recorder, 4, 1000).observe, in_silence])
    assert silences == [None]
