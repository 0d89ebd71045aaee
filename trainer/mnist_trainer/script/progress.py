"""From the reports of the user's code to the fields of ``status.training``, and to the figures that are kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from mnist_trainer.kube.reporter import Reporter, timestamp
from mnist_trainer.script.intake import Report

MAX_METRICS = 32
_MAX_RECORDS = 10_000


class ScriptProgress:
    """What a script has said so far. Reports come from any thread, and each is told to the status at once."""

    def __init__(self, reporter: Reporter, clock: Callable[[], float] = time.time) -> None:
        self._reporter = reporter
        self._clock = clock
        self._lock = threading.Lock()
        self._first: tuple[float, int] | None = None
        self.epoch: int | None = None
        self.epochs: int | None = None
        self.accuracy: float | None = None
        self.loss: float | None = None
        self.workers: int | None = None
        self.lost_workers = 0
        self.metrics: dict[str, float] = {}
        self.records: list[dict[str, Any]] = []
        """Each report with figures, oldest first; of very many, the latest."""

    def take(self, report: Report) -> None:
        """Take a report over: what it does not say stays as it was."""
        with self._lock:
            for name in ("epoch", "epochs", "accuracy", "loss", "workers"):
                value = getattr(report, name)
                if value is not None:
                    setattr(self, name, value)
            self._merge(report.metrics)
            if report.epoch is not None and self._first is None:
                self._first = self._clock(), report.epoch
            if report.epoch is not None or report.accuracy is not None or report.loss is not None or report.metrics:
                self._record(report)
            fields = self._fields(report)
        self._reporter.update(**fields)

    def _merge(self, metrics: dict[str, float]) -> None:
        """The last value of each name; names beyond the bound are left out, whichever came later."""
        for name, value in metrics.items():
            if name in self.metrics or len(self.metrics) < MAX_METRICS:
                self.metrics[name] = value

    def _record(self, report: Report) -> None:
        said = {
            "epoch": self.epoch,
            "accuracy": report.accuracy,
            "loss": report.loss,
            "metrics": report.metrics or None,
        }
        known = {key: value for key, value in said.items() if value is not None}
        self.records.append({"time": timestamp(self._clock()), **known})
        del self.records[:-_MAX_RECORDS]

    def _fields(self, report: Report) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "epoch": self.epoch,
            "epochs": self.epochs,
            "accuracy": self.accuracy,
            "loss": self.loss,
            "workers": self.workers,
            **({"metrics": dict(self.metrics)} if self.metrics else {}),
            **self._time_left(),
        }
        if report.lost_workers:
            self.lost_workers = max(self.lost_workers, report.lost_workers)
            fields["lostWorkers"] = self.lost_workers
        return {name: value for name, value in fields.items() if value is not None}

    def _time_left(self) -> dict[str, int]:
        if self.epoch is None or self.epochs is None:
            return {}
        left = max(0, self.epochs - self.epoch)
        fields = {"progressPercent": min(100, int(100 * self.epoch / self.epochs))}
        if self._first is not None and self.epoch > self._first[1]:
            began, before = self._first
            fields["etaSeconds"] = int((self._clock() - began) / (self.epoch - before) * left)
        return fields
