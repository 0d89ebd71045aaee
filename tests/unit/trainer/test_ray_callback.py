"""What Ray 2.60 does with a callback that the environment names, and what ours tells of it."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from typing import Any

import numpy
import pytest
import ray
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.env_callback import _initialize_env_callbacks
from ray.train.v2._internal.execution import callback as callbacks
from ray.train.v2._internal.execution.checkpoint.report_handler import ReportCallbackHandler
from ray.train.v2.api.callback import RayTrainCallback

import mnist_report
from mnist_report import ray_train
from mnist_trainer.script.environment import callbacks as variables


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    reports: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(mnist_report, "send", lambda fields, metrics: reports.append((fields, metrics)))
    return reports


def test_this_is_the_version_that_was_read() -> None:
    assert ray.__version__ == "2.60.0"


def test_ray_makes_it_from_the_environment_without_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    found = variables({"RAY_TRAIN_CALLBACKS": ""})
    monkeypatch.setenv("RAY_TRAIN_CALLBACKS", found["RAY_TRAIN_CALLBACKS"])
    (made,) = _initialize_env_callbacks()
    assert type(made) is ray_train.MnistCallback
    trainer = TorchTrainer(lambda: None, scaling_config=ScalingConfig(num_workers=1), run_config=RunConfig())
    assert any(type(each) is ray_train.MnistCallback for each in trainer._create_default_callbacks())


def test_callbacks_that_are_named_already_stay() -> None:
    assert variables({"RAY_TRAIN_CALLBACKS": "mine.Callback"}) == {
        "RAY_TRAIN_CALLBACKS": "mine.Callback,mnist_report.ray_train.MnistCallback"
    }


def test_it_is_of_the_internal_kinds_that_ray_calls_and_has_their_methods() -> None:
    for kind in (callbacks.ReportCallback, callbacks.ControllerCallback, callbacks.WorkerGroupCallback):
        assert issubclass(ray_train.MnistCallback, kind)
    assert issubclass(callbacks.ReportCallback, RayTrainCallback)
    for name in ("after_report", "after_controller_start", "before_controller_execute_failure_decision"):
        theirs = next(kind for kind in ray_train.MnistCallback.__mro__[1:] if name in vars(kind))
        inspect.signature(getattr(ray_train.MnistCallback, name)).bind(
            None, **dict.fromkeys(list(inspect.signature(getattr(theirs, name)).parameters)[1:])
        )
    assert inspect.iscoroutinefunction(callbacks.ControllerCallback.before_controller_shutdown)


class Status:
    """Of one worker at one poll."""

    def __init__(self, report: Any) -> None:
        self.training_report = report


class Poll:
    def __init__(self, *reports: Any) -> None:
        self.worker_statuses = {rank: Status(report) for rank, report in enumerate(reports)}


def test_a_report_is_told_once_all_ranks_have_made_it(sent: list[Any]) -> None:
    """By Ray's own handler, which calls the callback by keywords."""
    from ray.train.v2._internal.execution.training_report import _TrainingReport

    def report(**metrics: Any) -> Any:
        return _TrainingReport(checkpoint=None, metrics=metrics, validation=False)

    handler = ReportCallbackHandler([ray_train.MnistCallback()])
    handler.after_worker_group_start([object(), object()])  # type: ignore[arg-type]
    handler.after_worker_group_poll_status(Poll(report(epoch=1, loss=0.5, accuracy=0.9), None))  # type: ignore[arg-type]
    assert sent == []
    handler.after_worker_group_poll_status(Poll(None, report(epoch=1, loss=0.7, accuracy=0.8)))  # type: ignore[arg-type]
    assert sent == [({"epoch": 1.0, "accuracy": 0.9, "loss": 0.5}, {})]


def test_it_tells_epochs_workers_and_losses(sent: list[Any]) -> None:
    made = pickle.loads(pickle.dumps(ray_train.MnistCallback()))

    class Context:
        train_loop_config = {"num_epochs": 7, "lr": 0.1}

    made.after_controller_start(Context())
    made.after_worker_group_start([1, 2, 3])
    made.after_report(training_report=None, metrics=[{"val_accuracy": 97.5, "f1": numpy.float32(0.5)}])
    made.before_controller_execute_failure_decision(None)
    assert [fields for fields, _ in sent] == [
        {"workers": 3},
        {"epoch": 1, "epochs": 7.0, "accuracy": 0.975},
        {"workers": 0, "lostWorkers": 1},
    ]
    assert sent[1][1] == {"val_accuracy": 97.5, "f1": 0.5}


def test_nothing_that_goes_wrong_reaches_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the head is gone")

    monkeypatch.setattr(mnist_report, "send", fail)
    made = ray_train.MnistCallback()
    made.after_report(training_report=None, metrics=[])
    made.after_report(training_report=None, metrics=[{"epoch": object()}])
    made.after_controller_start(None)
    made.after_worker_group_start(None)
    made.before_controller_execute_failure_decision(None)
    asyncio.run(made.before_controller_shutdown())


def test_outside_of_a_training_nothing_is_sent_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(mnist_report.URL_VARIABLE, raising=False)
    mnist_report.report(epoch=1, accuracy=object(), anything="at all")  # type: ignore[arg-type]
    assert mnist_report._SENDER is None
    monkeypatch.setenv(mnist_report.URL_VARIABLE, "http://127.0.0.1:1/report")
    mnist_report.report(epoch=1)
    mnist_report.flush(2)
    monkeypatch.setattr(mnist_report, "_SENDER", None)
