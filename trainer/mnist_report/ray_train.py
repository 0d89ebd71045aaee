"""Ray Train's progress, told to the training without a line in the script: `RAY_TRAIN_CALLBACKS` names this callback.

Ray makes it without arguments in the driver and takes it along to its controller, an actor beside the driver. Only
internal kinds of callbacks are called when they come from the environment (`RunConfig(callbacks=[MnistCallback()])`
works the same). Where an internal interface is gone, the public one serves. What a callback raises would fail the run,
so nothing is raised.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

import mnist_report
from mnist_report import ray_store

try:
    from ray.train.v2._internal.execution.callback import (
        ControllerCallback,
        ReportCallback,
        WorkerGroupCallback,
    )

    _BASES: tuple[type, ...] = (ReportCallback, ControllerCallback, WorkerGroupCallback)
except ImportError:  # another version of Ray: passed to RunConfig, the callback still reports
    from ray.train import UserCallback

    _BASES = (UserCallback,)

# With the callback, this module reaches the driver and the controller, which resolve the store's path.
ray_store.install()

_EPOCHS = ("epochs", "num_epochs", "max_epochs", "n_epochs", "total_epochs")
_ACCURACY = (
    "accuracy",
    "test_accuracy",
    "val_accuracy",
    "eval_accuracy",
    "valid_accuracy",
    "test_acc",
    "val_acc",
    "acc",
)
_LOSS = ("loss", "train_loss", "training_loss")


class MnistCallback(*_BASES):  # type: ignore[misc]
    """Reports what all workers have reported, rank 0's figures, and how many workers there are."""

    def __init__(self) -> None:
        # Copies of the driver's, for the controller's environment is Ray's.
        self._variables = {
            name: os.environ[name]
            for name in (mnist_report.URL_VARIABLE, mnist_report.TOKEN_VARIABLE)
            if name in os.environ
        }
        self._reports = 0
        self._lost = 0
        self._epochs: float | None = None

    def after_report(self, *, metrics: Any = (), **_: Any) -> None:
        """All workers have reported; also the public interface's method."""
        with contextlib.suppress(Exception):
            self._reports += 1
            self._send(*as_report(metrics[0] or {}, self._reports, self._epochs))

    def after_controller_start(self, train_run_context: Any) -> None:
        """The run begins: how many epochs it has, where its configuration says so."""
        with contextlib.suppress(Exception):
            config = train_run_context.train_loop_config
            self._epochs = _first(config if isinstance(config, Mapping) else {}, _EPOCHS)

    def after_worker_group_start(self, worker_group: Any) -> None:
        """The workers are there, the first ones or those after a loss."""
        with contextlib.suppress(Exception):
            self._send({"workers": len(worker_group)}, {})

    def before_controller_execute_failure_decision(self, failure_decision: Any) -> None:
        """Workers were lost, or failed."""
        with contextlib.suppress(Exception):
            self._lost += 1
            self._send({"workers": 0, "lostWorkers": self._lost}, {})

    async def before_controller_shutdown(self) -> None:
        """The controller's process is about to end."""
        mnist_report.flush()

    def _send(self, fields: dict[str, Any], metrics: dict[str, Any]) -> None:
        os.environ.update(self._variables)
        mnist_report.send(fields, metrics)


def as_report(metrics: Mapping[str, Any], count: int, epochs: float | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the status, and the rest, of what a worker gave to `ray.train.report`; `count` is the report's number.

    Without an epoch, reports are counted. An accuracy above 1 is taken for percent.
    """
    accuracy = _first(metrics, _ACCURACY)
    found = {
        "epoch": _first(metrics, ("epoch",)) if "epoch" in metrics else count,
        "epochs": _first(metrics, _EPOCHS) or epochs,
        "accuracy": accuracy / 100 if accuracy is not None and 1 < accuracy <= 100 else accuracy,
        "loss": _first(metrics, _LOSS),
    }
    taken = {"epoch", *_EPOCHS, "accuracy", "loss"}
    rest = {str(name): value for name, value in metrics.items() if name not in taken}
    return {name: value for name, value in found.items() if value is not None}, rest


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((value for name in names if (value := mnist_report.number(values.get(name))) is not None), None)
