"""Brings a training to its end: makes groups of workers, follows them, makes new ones after losses and arrivals.

A group trains until it has finished, loses a worker, or is paused after an epoch because more workers have come. The
state after each epoch comes with the epoch's event and is kept here, so that the next group goes on from it. Workers
that live stay as they are between groups; only lost ones are started anew.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import ray

from mnist_trainer.events import (
    EpochFinished,
    Event,
    Finished,
    LostWorker,
    Publish,
    WorkerFailed,
    WorkersLost,
    WorkersNotStarted,
)
from mnist_trainer.workers.pool import Slot, WorkerPool, summary
from mnist_trainer.workers.protocol import End, Ending, Place, WorkerInputs

_POLL_SECONDS = 0.5
_EVENTS_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_GRACE_SECONDS = 5.0
"""How long a group's workers have to notice that one of them is gone, before they are ended."""
_FIRST_PATIENCE = 20.0
_PATIENCE = 5.0
"""How long a group waits for more than `min_workers`: at the start, and for those that replace lost ones."""
_HOLD_SECONDS = 60.0
"""How long some workers are held, at first, while others keep the rest from us."""
_RELEASE_SECONDS = (5.0, 20.0)


class Supervisor:
    """Trains with as many of the pool's workers as there are, at least `min_workers`.

    `assembled` is called when a group is complete, `publish` with every event, in order. Once `closing` is set, `run`
    returns soon.
    """

    def __init__(
        self,
        pool: WorkerPool,
        min_workers: int,
        publish: Publish,
        assembled: Callable[[], None],
        closing: threading.Event,
    ) -> None:
        self._pool = pool
        self._min_workers = min_workers
        self._publish = publish
        self._assembled = assembled
        self._closing = closing
        self._state: bytes | None = None

    def run(self, inputs: WorkerInputs, state: bytes | None, wanted: int) -> None:
        """Train from `state`, if possible with `wanted` workers at once. Returns at the end, or when closing.

        The last event is `Finished`, or `WorkerFailed` if another try would not help. Losses are published and made
        good without end: whoever listens decides when there were too many.
        """
        self._state = state
        patience = _FIRST_PATIENCE
        while not self._closing.is_set():
            members = self.assemble(wanted, patience)
            if members is None:
                return
            self._assembled()
            group = WorkerGroup(self._pool, members, self._publish_and_keep_state, self._closing)
            if group.train(inputs, self._state):
                return
            # After a pause everyone is here; after a loss the others wait a moment for the replacements.
            wanted, patience = len(members), _PATIENCE

    def assemble(self, wanted: int, patience: float) -> list[Slot] | None:
        """Wait for `wanted` workers, after `patience` seconds for `min_workers`; None when closing.

        Two trainings that each hold half of a cluster would wait for each other for ever: whoever holds some workers
        but fewer than `min_workers`, where there is room for these, lets go of them for a while of random length.
        """
        began = held = time.monotonic()
        hold = _HOLD_SECONDS
        while not self._closing.is_set():
            self._pool.fill()
            failures = self._pool.refresh(_POLL_SECONDS if len(self._pool.ready()) < wanted else 0)
            ready = self._pool.ready()
            if len(ready) >= wanted or (len(ready) >= self._min_workers and time.monotonic() - began > patience):
                return ready
            if 0 < len(ready) < self._min_workers and time.monotonic() - held > hold:
                held, hold = time.monotonic(), hold * 2  # it may as well have been a slow start
                if self._pool.fits(self._min_workers):
                    self._pool.release(random.uniform(*_RELEASE_SECONDS))
            if failures and len(ready) < self._min_workers:
                self._publish_and_keep_state(WorkersNotStarted(failures))
        return None

    def _publish_and_keep_state(self, event: Event) -> None:
        if isinstance(event, EpochFinished):
            self._state = event.state
        self._publish(event)


class WorkerGroup:
    """Workers that train together until they have finished, one is lost, or more could take part."""

    def __init__(self, pool: WorkerPool, members: list[Slot], publish: Publish, closing: threading.Event) -> None:
        self._pool = pool
        self._members = members
        self._publish = publish
        self._closing = closing
        self._running: dict[Any, Slot] = {}
        self._ends: dict[Slot, End] = {}
        self._lost: dict[Slot, str] = {}
        self._hanging: list[Slot] = []
        self._events: Any = None
        self._deadline: float | None = None
        self._paused = False
        self._finished = False

    def train(self, inputs: WorkerInputs, state: bytes | None) -> bool:
        """Train to an end of whatever kind; whether that ends the training, too."""
        if self._start(inputs, state):
            while self._running and not self._closing.is_set():
                self._look()
            if self._closing.is_set():
                return True
            self._collect_events()
        return self._conclude()

    def _start(self, inputs: WorkerInputs, state: bytes | None) -> bool:
        first = self._members[0]
        try:
            address = ray.get(first.actor.meeting_address.remote(), timeout=_ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001  (lost, or silent)
            self._lose(first, summary(error))
            return False
        for rank, slot in enumerate(self._members):
            place = Place(rank, len(self._members), address, None if rank else state)
            self._running[slot.actor.train.remote(inputs, place)] = slot
        self._events = first.actor.events.remote(_EVENTS_SECONDS)
        return True

    def _look(self) -> None:
        """Wait a little for something to happen, and deal with it."""
        waiting = [*self._running, *([self._events] if self._events is not None else [])]
        done, _ = ray.wait(waiting, num_returns=1, timeout=_POLL_SECONDS)
        for reference in done:
            if reference == self._events:
                self._receive()
            else:
                self._end(reference)
        if self._deadline is not None and time.monotonic() > self._deadline:
            for slot in self._running.values():
                self._hanging.append(slot)
                self._pool.discard(slot)
            self._running.clear()
        elif self._deadline is None and not self._paused:
            self._take_in()

    def _receive(self, again: bool = True) -> None:
        try:
            events = ray.get(self._events, timeout=_ANSWER_SECONDS)
        except Exception:  # noqa: BLE001  (worker 0 is gone: its `train` tells why)
            self._events = None
            return
        self._events = self._members[0].actor.events.remote(_EVENTS_SECONDS) if again else None
        for event in events:
            self._finished = self._finished or isinstance(event, Finished)
            self._publish(event)

    def _end(self, reference: Any) -> None:
        slot = self._running.pop(reference)
        try:
            end: End = ray.get(reference)
        except Exception as error:  # noqa: BLE001  (its process or its node is gone)
            self._lose(slot, summary(error))
        else:
            self._ends[slot] = end
            if end.ending is Ending.FINISHED:
                return
        if self._deadline is None:
            self._deadline = time.monotonic() + _GRACE_SECONDS

    def _take_in(self) -> None:
        """Ask for a pause after the running epoch if there are workers that take no part yet."""
        self._pool.fill()
        self._pool.refresh(0)
        if len(self._pool.ready()) > len(self._members):
            self._paused = True
            self._members[0].actor.pause.remote()

    def _collect_events(self) -> None:
        """Publish what worker 0 has said until its end: an answer may be on its way, and another one be needed."""
        if self._members[0] in (*self._lost, *self._hanging):
            return
        if self._events is not None:
            self._receive()
        if self._events is not None:
            self._receive(again=False)

    def _lose(self, slot: Slot, reason: str) -> None:
        self._lost[slot] = reason
        self._pool.discard(slot)

    def _conclude(self) -> bool:
        ends = list(self._ends.values())
        for end in ends:
            if end.ending is Ending.FAILED:
                self._publish(WorkerFailed(end.reason, end.message))
                return True
        if self._finished:
            return True
        paused = any(end.ending is Ending.PAUSED for end in ends)
        if self._lost or self._hanging or not paused:
            lost = self._culprits()
            ranks = {slot: rank for rank, slot in enumerate(self._members)}
            self._publish(WorkersLost(tuple(LostWorker(ranks[slot], slot.host, why) for slot, why in lost.items())))
        return False

    def _culprits(self) -> dict[Slot, str]:
        """The workers that the group was lost with: not those that only missed them."""
        if self._lost:
            return self._lost
        if self._hanging:
            return dict.fromkeys(self._hanging, f"did not leave the broken group within {_GRACE_SECONDS:.0f} s")
        slot, end = next(iter(self._ends.items()))  # all live: the first to end has had an error of its own
        return {slot: end.message or "its result did not arrive"}
