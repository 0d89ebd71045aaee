"""Claim and fence: the newest process reports, a replaced one learns of it and keeps silent."""

from __future__ import annotations

import copy
import json
import threading
from pathlib import Path
from typing import Any

import jsonpatch
import jsonschema
import pytest

from mnist_trainer.config import TrainingIdentity
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.kube.claim import Claim, ReplacedError
from mnist_trainer.kube.reporter import HEARTBEAT, StatusReporter, TrainingState, compose, failure
from mnist_trainer.kube.reporter_client import KubeError

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())
IDENTITY = TrainingIdentity(namespace="default", name="mnist", uid="u-1")


class FakeApi:
    """One training behind the two behaviours that matter: patches are atomic, a failed test answers 422."""

    def __init__(self, attempt: int = 1) -> None:
        self.training: dict[str, Any] | None = {"metadata": {"uid": "u-1"}, "status": {"attempt": attempt}}
        self.down = False
        self.requests = 0
        self.changed = threading.Condition()

    def patch_training_status(self, namespace: str, name: str, patch: list[dict[str, Any]]) -> dict[str, Any]:
        assert (namespace, name) == ("default", "mnist")
        with self.changed:
            self.requests += 1
            self.changed.notify_all()
            if self.down:
                raise KubeError("no answer")
            if self.training is None:
                raise KubeError("not found", 404)
            try:
                self.training = jsonpatch.apply_patch(self.training, patch)
            except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
                raise KubeError(str(error), 422) from error
            return copy.deepcopy(self.training)

    @property
    def reported(self) -> dict[str, Any]:
        return (self.training or {})["status"].get("training", {})

    def wait(self, condition) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 10)


def claim(api: FakeApi, run_id: str, attempt: int = 1) -> Claim:
    return Claim(api, IDENTITY, attempt, run_id)  # type: ignore[arg-type]


def test_first_report_claims():
    api = FakeApi()
    claim(api, "a").send(compose(1, "a", {"state": "Starting"}))
    assert api.reported["runId"] == "a"


def test_newer_process_takes_over_and_the_older_is_told():
    api = FakeApi()
    old, new = claim(api, "old"), claim(api, "new")
    old.send(compose(1, "old", {"state": "Training"}))
    new.send(compose(1, "new", {"state": "Starting"}))
    with pytest.raises(ReplacedError, match=r"another process \(new\) now trains training default/mnist") as caught:
        old.send(compose(1, "old", {"state": "Succeeded"}))
    assert caught.value.exit_code == 76
    assert api.reported["runId"] == "new"
    assert api.reported["state"] == "Starting"
    new.send(compose(1, "new", {"state": "Training"}))
    assert api.reported["state"] == "Training"


@pytest.mark.parametrize("held", [False, True])
def test_other_attempt_other_object_or_none(held):
    def changed(change) -> str:
        api = FakeApi()
        mine = claim(api, "a")
        if held:
            mine.send(compose(1, "a", {"state": "Starting"}))
        change(api)
        before = copy.deepcopy(api.training)
        with pytest.raises(ReplacedError) as caught:
            mine.send(compose(1, "a", {"state": "Training"}))
        assert api.training == before
        return caught.value.message

    def next_attempt(api: FakeApi) -> None:
        api.training["status"] = {"attempt": 2}

    def recreated(api: FakeApi) -> None:
        api.training = {"metadata": {"uid": "u-2"}, "status": {"attempt": 1}}

    def deleted(api: FakeApi) -> None:
        api.training = None

    assert "is at attempt 2, not 1" in changed(next_attempt)
    assert "another object now" in changed(recreated)
    assert "no longer exists" in changed(deleted)


def test_an_emptied_status_is_claimed_again():
    api = FakeApi()
    mine = claim(api, "a")
    mine.send(compose(1, "a", {"state": "Starting"}))
    del api.training["status"]["training"]
    mine.send(compose(1, "a", {"state": "Training"}))
    assert api.reported["state"] == "Training"


def reporter(api: FakeApi, run_id: str = "a", interval: float = 60.0) -> StatusReporter:
    return StatusReporter(claim(api, run_id), 1, run_id, interval)


def test_states_and_epochs_are_sent_at_once_and_progress_is_thinned_out():
    api = FakeApi()
    mine = reporter(api)
    mine.confirm(10)
    sent = api.requests
    for percent in range(100):
        mine.update(progressPercent=percent)
    assert api.requests <= sent + 1
    mine.update(TrainingState.TRAINING)
    mine.confirm(10)
    mine.update(epoch=1, accuracy=0.9)
    mine.confirm(10)
    assert (api.reported["state"], api.reported["epoch"], api.reported["progressPercent"]) == ("Training", 1, 99)


def test_a_process_with_nothing_new_to_say_says_that_it_is_alive():
    assert CONTRACT["heartbeatSeconds"] == HEARTBEAT
    api = FakeApi()
    mine = StatusReporter(claim(api, "a"), 1, "a", interval=0.0, heartbeat=0.01)
    mine.confirm(10)
    first = api.reported["updatedAt"]
    api.wait(lambda: api.reported["updatedAt"] > first)
    assert api.reported["state"] == "Starting"
    claim(api, "b").send(compose(1, "b", {"state": "Starting"}))
    api.wait(lambda: mine._replaced is not None)  # the thread ends


def test_training_goes_on_while_the_api_is_away():
    api = FakeApi()
    api.down = True
    mine = reporter(api)
    mine.update(TrainingState.TRAINING, epoch=1)
    api.wait(lambda: api.requests >= 1)
    mine.check()
    with pytest.raises(TrainerError, match="was not accepted within 0 s: no answer") as caught:
        mine.confirm(0.05)
    assert caught.value.reason is FailureReason.INTERNAL_ERROR
    api.down = False
    mine.update(TrainingState.PUBLISHING)
    mine.confirm(20)
    assert api.reported["state"] == "Publishing"


def test_a_replaced_process_gets_no_confirmation():
    api = FakeApi()
    mine = reporter(api)
    mine.confirm(10)
    claim(api, "b").send(compose(1, "b", {"state": "Starting"}))
    mine.update(TrainingState.PUBLISHING)
    with pytest.raises(ReplacedError):
        mine.confirm(10)
    with pytest.raises(ReplacedError):
        mine.check()
    assert api.reported["runId"] == "b"


def test_reports_fit_the_contract():
    fields = {
        "state": TrainingState.TRAINING.value,
        "epoch": 2,
        "epochs": 5,
        "progressPercent": 40,
        "loss": 0.5,
        "accuracy": 0.99,
        "imagesPerSecond": 1234.5,
        "etaSeconds": 10,
        "workers": 2,
        "failure": failure(TrainerError("x" * 3000, FailureReason.WORKERS_LOST)),
    }
    jsonschema.validate(compose(1, "r", fields), CONTRACT["statusTraining"])
    kept = compose(1, "r", {"state": "Training", "loss": float("nan"), "accuracy": None})
    assert set(kept) == {"attempt", "runId", "state", "updatedAt"}
    assert [state.value for state in TrainingState] == CONTRACT["states"]
