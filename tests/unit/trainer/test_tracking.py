"""MLflow follows a run where the environment asks for it; whatever it does, the training goes on."""

from __future__ import annotations

import logging
import socket
import threading

import pytest
from mlflow.tracking import MlflowClient
from tests.support.wait import wait_for
from tests.unit.trainer.release_support import CONFIG, record

from mnist_trainer import tracking
from mnist_trainer.events import EpochFinished, FirstStep
from mnist_trainer.naming import RunPlace
from mnist_trainer.plan import make_plan
from mnist_trainer.store import S3Address
from mnist_trainer.tracking import Outcome, Tracker, mlflow_tracker, without_credentials

PLACE = RunPlace(S3Address.parse("s3://models/ns/it's/uid"), 1, "r1")
EVENTS = [FirstStep(1.7e9), None, *(EpochFinished(record(epoch), b"") for epoch in (1, 2))]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def track(env, plan, place=None, outcome=Outcome.SUCCEEDED, patience=60.0):
    tracker = mlflow_tracker(env, CONFIG, plan, place or RunPlace(CONFIG.output_address, 1, "r1"))
    assert tracker is not None
    for event in EVENTS:
        tracker.observe(event)
    tracker.end(outcome, {"model": "s3://models/run/model.safetensors"}, patience)


@pytest.fixture
def plan(dataset):
    return make_plan(CONFIG, dataset)


def test_a_run_with_its_curves_parameters_and_model(plan, tmp_path):
    env = {"MLFLOW_TRACKING_URI": f"file:{tmp_path}", "MLFLOW_EXPERIMENT_NAME": "digits"}
    track(env, plan)
    client = MlflowClient(env["MLFLOW_TRACKING_URI"])
    (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "mnist")
    assert run.data.metrics["accuracy"] == pytest.approx(0.9)
    history = client.get_metric_history(run.info.run_id, "test_loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]
    assert run.data.params["epochs"] == "2"
    assert run.data.params["recipe.epochs"] == "2"
    assert run.data.tags["mnist.model"] == "s3://models/run/model.safetensors"


def test_a_resumed_training_goes_on_in_its_run(plan, tmp_path):
    env = {"MLFLOW_TRACKING_URI": f"file:{tmp_path}"}
    track(env, plan, outcome=Outcome.INTERRUPTED)
    track(env, plan, RunPlace(CONFIG.output_address, 2, "r2"))
    client = MlflowClient(env["MLFLOW_TRACKING_URI"])
    (run,) = client.search_runs([client.get_experiment_by_name("mnist").experiment_id])
    assert run.info.status == "FINISHED"
    assert (run.data.tags["mnist.runId"], run.data.tags["mnist.attempt"]) == ("r2", "2")


def test_an_output_that_mlflow_cannot_quote(plan, tmp_path):
    track({"MLFLOW_TRACKING_URI": f"file:{tmp_path}"}, plan, PLACE)
    assert MlflowClient(f"file:{tmp_path}").get_experiment_by_name("mnist") is not None


def test_nothing_is_tracked_unless_asked_for(plan):
    assert mlflow_tracker({}, CONFIG, plan, PLACE) is None
    assert mlflow_tracker({"MLFLOW_TRACKING_URI": " "}, CONFIG, plan, PLACE) is None


def test_not_installed(plan, monkeypatch, caplog):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda _: None)
    assert mlflow_tracker({"MLFLOW_TRACKING_URI": "http://x"}, CONFIG, plan, PLACE) is None
    assert "MLflow is not installed" in caplog.text


def test_a_server_that_is_down_is_a_warning(plan, caplog):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://user:sesame@127.0.0.1:{unused.getsockname()[1]}"
        with caplog.at_level(logging.WARNING):
            track({"MLFLOW_TRACKING_URI": address}, plan)
    (line,) = [line for line in caplog.messages if "not tracked any more in MLflow at http://127.0.0.1" in line]
    assert "sesame" not in caplog.text
    assert "\n" not in line


def test_a_server_that_never_answers_holds_nothing_up(plan, caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        track({"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}, plan, patience=0.2)
    assert "has not taken everything" in caplog.text


class Recorder:
    """A service that fails in the middle."""

    def __init__(self):
        self.calls = []
        self.failed = threading.Event()

    def start(self):
        self.calls.append("start")

    def epoch(self, figures):
        self.calls.append(figures.epoch)
        if figures.epoch == 2:
            self.failed.set()
            raise OSError("full")

    def end(self, outcome, facts):
        self.calls.append(outcome)


def test_after_a_failure_the_service_is_left_alone(caplog):
    service = Recorder()
    tracker = Tracker(lambda: service, "a service")
    for event in [*EVENTS, EpochFinished(record(3), b"")]:
        tracker.observe(event)
    wait_for(service.failed.is_set, "the failure")
    tracker.end(Outcome.SUCCEEDED, {}, 10)
    tracker.end(Outcome.FAILED, {}, 10)
    assert service.calls == ["start", 1, 2]
    assert "not tracked any more in a service: full" in caplog.text


def test_credentials_are_taken_out_of_addresses():
    assert without_credentials("GET https://me:pass@h:1/x failed") == "GET https://h:1/x failed"
