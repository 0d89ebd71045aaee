"""How a group ends, and whom it was lost with: workers that only missed the lost one are not called lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.trainer.release_support import record, small_training

from mnist_trainer.events import EpochFinished, Event, Finished, LostWorker, WorkerFailed, WorkersLost
from mnist_trainer.workers import supervisor
from mnist_trainer.workers.pool import Slot
from mnist_trainer.workers.protocol import End, Ending, WorkerInputs
from mnist_trainer.workers.supervisor import WorkerGroup

BROKEN = End(Ending.BROKEN, "RuntimeError: Connection closed by peer")
DONE = End(Ending.FINISHED)
HANGS = object()
DIED = RuntimeError("The actor is dead because its node has died.")


class Reference:
    """What a call to an actor will answer: at once, or never."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer


class FakeRay:
    """Ray's `get` and `wait` for such references."""

    def get(self, reference: Reference, timeout: float = 0) -> Any:
        if isinstance(reference.answer, Exception):
            raise reference.answer
        return reference.answer

    def wait(self, waiting: list[Reference], num_returns: int, timeout: float) -> tuple[list[Reference], Any]:
        done = [reference for reference in waiting if reference.answer is not HANGS]
        if not done:
            time.sleep(timeout)
        return done[:1], None


class Actor:
    """A worker whose part in a group ends in a certain way; worker 0's says `events` first."""

    def __init__(self, end: Any, events: list[Event]) -> None:
        self._answers = {"meeting_address": "tcp://x:1", "train": end, "events": HANGS, "pause": None}
        self._events = events
        self.paused = False

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Reference] = lambda *_: self._call(name)  # noqa: E731
        return type("Method", (), {"remote": staticmethod(call)})

    def _call(self, name: str) -> Reference:
        if name == "events":
            said, self._events = self._events, []
            return Reference(said)
        self.paused = self.paused or name == "pause"
        return Reference(self._answers[name])


class Pool:
    """Slots with such actors; more may be `ready` than take part."""

    def __init__(self, ends: list[Any], events: list[Event]) -> None:
        self.members = [
            Slot(rank, f"pod-{rank}", Actor(end, [] if rank else list(events))) for rank, end in enumerate(ends)
        ]
        self.discarded: list[int] = []
        self.extra: list[Slot] = []

    def fill(self) -> None: ...

    def refresh(self, wait: float) -> dict[int, str]:
        return {}

    def ready(self) -> list[Slot]:
        return [*self.members, *self.extra]

    def discard(self, slot: Slot) -> None:
        self.discarded.append(slot.number)


@pytest.fixture(autouse=True)
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ray", FakeRay())
    monkeypatch.setattr(supervisor, "_POLL_SECONDS", 0.005)
    monkeypatch.setattr(supervisor, "_GRACE_SECONDS", 0.05)


def group(*ends: Any, events: list[Event] | None = None) -> tuple[bool, list[Event], list[int]]:
    """Whether the training is over, what was published, and whose processes were ended."""
    pool, published = Pool(list(ends), events or []), []
    made = WorkerGroup(pool, pool.members, published.append, threading.Event())  # type: ignore[arg-type]
    over = made.train(WorkerInputs([None], None), None)  # type: ignore[arg-type]
    return over, published, pool.discarded


def lost(*workers: tuple[int, str]) -> WorkersLost:
    return WorkersLost(tuple(LostWorker(rank, f"pod-{rank}", reason) for rank, reason in workers))


def test_a_finished_group_ends_the_training(dataset: Any) -> None:
    finished = small_training(dataset)
    over, published, discarded = group(DONE, DONE, events=[EpochFinished(record(1), b""), finished])
    assert (over, published[-1], discarded) == (True, finished, [])
    assert isinstance(published[-1], Finished)


def test_the_worker_whose_node_died_is_lost_and_not_those_that_missed_it() -> None:
    assert group(BROKEN, DIED, BROKEN) == (False, [lost((1, str(DIED)))], [1])


def test_a_worker_that_hangs_because_of_another_is_ended_but_not_called_lost() -> None:
    assert group(HANGS, DIED) == (False, [lost((1, str(DIED)))], [1, 0])


def test_two_that_are_gone_are_both_lost() -> None:
    assert group(DIED, BROKEN, DIED) == (False, [lost((0, str(DIED)), (2, str(DIED)))], [0, 2])


def test_one_that_hangs_alone_is_the_one_that_is_lost() -> None:
    over, published, discarded = group(BROKEN, HANGS)
    assert (over, published, discarded) == (False, [lost((1, "did not leave the broken group within 0 s"))], [1])


def test_where_all_live_the_first_error_is_the_cause() -> None:
    assert group(BROKEN, BROKEN) == (False, [lost((0, BROKEN.message))], [])


def test_a_failure_that_would_come_again_ends_the_training() -> None:
    failed = End(Ending.FAILED, "the loss became nan", "TrainingDiverged")
    assert group(failed, BROKEN) == (True, [WorkerFailed("TrainingDiverged", "the loss became nan")], [])


def test_a_pause_for_more_workers_is_no_loss() -> None:
    assert group(End(Ending.PAUSED), BROKEN) == (False, [], [])
