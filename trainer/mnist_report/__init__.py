"""Tell a MnistTraining how a script of your own is doing: `mnist_report.report(epoch=3, epochs=5, accuracy=0.97)`.

It never fails a run and never holds it up. Outside of a training it does nothing, so a script may call it anywhere.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import multiprocessing
import multiprocessing.util
import os
import queue
import re
import threading
import time
import urllib.request
from typing import Any

URL_VARIABLE, TOKEN_VARIABLE = "MNIST_REPORT_URL", "MNIST_REPORT_TOKEN"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_MOST_NAMES = 256
"""Of one report; the training keeps 32 names, and takes no report of 64 KiB."""
_WAITING = 256
_TIMEOUT = 5.0
_LAST_WORDS = 3.0

__all__ = ["report"]


def report(
    epoch: float | None = None,
    *,
    epochs: float | None = None,
    accuracy: float | None = None,
    loss: float | None = None,
    **metrics: Any,
) -> None:
    """Report progress; returns at once, and raises nothing.

    Args:
        epoch: epochs that are finished, from 1.
        epochs: epochs in all.
        accuracy: share of the test images that are recognised, 0 to 1.
        loss: the loss of the epoch.
        metrics: figures of your own, by name; at most 32 are kept, each with its last value. What is no finite number
            is left out. Tensors and arrays of one element will do.
    """
    with contextlib.suppress(Exception):
        figures = {"epoch": epoch, "epochs": epochs, "accuracy": accuracy, "loss": loss}
        send({name: value for name, given in figures.items() if (value := number(given)) is not None}, metrics)


def send(fields: dict[str, Any], metrics: dict[str, Any]) -> None:
    """Hand over fields of the status, and figures of the user's own. Raises nothing."""
    with contextlib.suppress(Exception):
        if not os.environ.get(URL_VARIABLE):
            return
        own = {name: value for name, given in metrics.items() if (value := number(given)) is not None}
        named = [(name, value) for name, value in own.items() if _NAME.fullmatch(name)]
        fields = {**fields, "metrics": dict(named[:_MOST_NAMES])}
        _sender().put(fields)


def flush(seconds: float = _LAST_WORDS) -> None:
    """Wait until all that was reported has been sent, at most so long. Raises nothing."""
    with contextlib.suppress(Exception):
        if _SENDER is not None and _SENDER.process == os.getpid():
            _SENDER.flush(seconds)


def number(value: Any) -> float | None:
    """The value as a finite number; None for what is none."""
    if value is None or isinstance(value, bool | str | bytes):
        return None
    try:
        found = float(value)
    except Exception:  # noqa: BLE001  (whatever a type of others raises)
        return None
    return found if math.isfinite(found) else None


class _Sender:
    """A thread that sends reports in order; of too many that wait, the oldest are dropped."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._url, self._token = os.environ[URL_VARIABLE], os.environ.get(TOKEN_VARIABLE, "")
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(_WAITING)
        # The head is a neighbour; a proxy for the world outside would not know it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        threading.Thread(target=self._run, name="mnist-report", daemon=True).start()
        if multiprocessing.parent_process() is not None:  # a process of multiprocessing ends without atexit's functions
            multiprocessing.util.Finalize(None, flush, exitpriority=0)

    def put(self, fields: dict[str, Any]) -> None:
        while True:
            try:
                return self._waiting.put_nowait(fields)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()
                    self._waiting.task_done()

    def flush(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.02)

    def _run(self) -> None:
        while True:
            fields = self._waiting.get()
            try:
                self._post(fields)
            except Exception:  # noqa: BLE001, S110  (a report that is lost is no failure of the run)
                pass
            finally:
                self._waiting.task_done()

    def _post(self, fields: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        body = json.dumps(fields).encode()
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310  (http, to the head)
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read()


_SENDER: _Sender | None = None
_LOCK = threading.Lock()


def _sender() -> _Sender:
    global _SENDER
    with _LOCK:
        if _SENDER is None or _SENDER.process != os.getpid():  # a process that forked has no thread
            _SENDER = _Sender()
        return _SENDER


atexit.register(flush)
