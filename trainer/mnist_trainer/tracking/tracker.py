"""Hands a run's figures to a tracking service, from a thread of its own."""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from mnist_trainer.raytrain.messages import EpochFinished, Message

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class TrackingClient(Protocol):
    """A tracking service. Every method may block and may raise."""

    def start(self) -> None:
        """Begin the run, or go on with the one that an earlier process began."""

    def epoch(self, record: dict[str, Any]) -> None:
        """Log the figures of a finished epoch."""

    def end(self, outcome: Outcome, facts: dict[str, str]) -> None:
        """Close the run, with what is to be kept about it."""


class Tracker:
    """Runs the client's methods one after the other. After the first that fails the client is left alone."""

    def __init__(self, connect: Callable[[], TrackingClient], name: str) -> None:
        """Nothing is imported or asked before the first message; `connect` runs on the thread, too."""
        self._connect = connect
        self._name = name
        self._todo: queue.SimpleQueue[Callable[[TrackingClient], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def tap(self, messages: Iterable[Message | None]) -> Iterator[Message | None]:
        """The same messages; those that matter to the service are noted on the way."""
        for message in messages:
            if message is not None:
                self._begin()
            if isinstance(message, EpochFinished):
                self._todo.put(partial(_log, record=dict(message.record)))
            yield message

    def end(self, outcome: Outcome, facts: dict[str, str], patience: float) -> None:
        """Close the run, and wait up to `patience` seconds for the service to take what is left. Safe to call twice."""
        if self._thread is None:
            return
        self._todo.put(lambda client: client.end(outcome, facts))
        self._todo.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            logger.warning("%s has not taken everything after %g s: the run is incomplete there", self._name, patience)
        self._thread = None

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            client = self._connect()
            client.start()
            while (action := self._todo.get()) is not None:
                action(client)
        except Exception as error:  # noqa: BLE001  (whatever such a service raises, the training goes on)
            text = str(error).strip().splitlines() or [type(error).__name__]
            logger.warning("the run is not tracked any more in %s: %s", self._name, without_credentials(text[0])[:300])


def _log(client: TrackingClient, record: dict[str, Any]) -> None:
    client.epoch(record)


def without_credentials(text: str) -> str:
    """The text, with no `user:password@` in its addresses."""
    return re.sub(r"(?<=://)[^/\s@]+@", "", text)
