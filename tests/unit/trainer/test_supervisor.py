"""Which workers a group is made of: all that are wanted, the least after a while, none held against others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from mnist_trainer.events import Event, WorkersNotStarted
from mnist_trainer.workers import supervisor
from mnist_trainer.workers.supervisor import Supervisor


class Pool:
    """A pool of numbers; `come` says how many workers are ready at a look, `fail` why others are not."""

    def __init__(self, come: Callable[[int], int], fail: str = "", fits: bool = True) -> None:
        self.looks = 0
        self.released = 0
        self._come, self._fail, self._fits = come, fail, fits

    def fill(self) -> None:
        self.looks += 1

    def refresh(self, wait: float) -> dict[int, str]:
        time.sleep(0.001)
        return {7: self._fail} if self._fail else {}

    def ready(self) -> list[int]:
        return list(range(self._come(self.looks)))

    def fits(self, workers: int) -> bool:
        return self._fits

    def release(self, seconds: float) -> None:
        self.released += 1


def assemble(pool: Pool, wanted: int, patience: float, min_workers: int = 1) -> tuple[list[int] | None, list[Event]]:
    told: list[Event] = []
    closing = threading.Event()
    made = Supervisor(pool, min_workers, told.append, lambda: None, closing)  # type: ignore[arg-type]
    timer = threading.Timer(2.0, closing.set)
    timer.start()
    try:
        return made.assemble(wanted, patience), told  # type: ignore[return-value]
    finally:
        timer.cancel()


def test_waits_for_all_that_are_wanted() -> None:
    assert assemble(Pool(lambda look: min(3, look)), wanted=3, patience=60) == ([0, 1, 2], [])


def test_goes_on_with_the_least_when_the_others_do_not_come() -> None:
    assert assemble(Pool(lambda _: 1), wanted=2, patience=0.05) == ([0], [])


def test_takes_more_than_wanted_when_they_are_there() -> None:
    assert assemble(Pool(lambda _: 4), wanted=2, patience=60) == ([0, 1, 2, 3], [])


def test_tells_why_too_few_workers_come() -> None:
    members, told = assemble(Pool(lambda look: 0 if look < 3 else 1, fail="no module named torch"), 1, 60)
    assert members == [0]
    assert told == [WorkersNotStarted({7: "no module named torch"})] * 2


def test_a_failing_extra_worker_is_no_loss() -> None:
    assert assemble(Pool(lambda _: 1, fail="broken"), wanted=2, patience=0.05)[1] == []


@pytest.mark.parametrize(("fits", "released"), [(True, True), (False, False)])
def test_lets_go_of_some_workers_only_where_another_training_holds_the_rest(
    monkeypatch: pytest.MonkeyPatch, fits: bool, released: bool
) -> None:
    monkeypatch.setattr(supervisor, "_HOLD_SECONDS", 0.01)
    pool = Pool(lambda look: 1 if look < 100 else 2, fits=fits)
    members, told = assemble(pool, wanted=2, patience=60, min_workers=2)
    assert (members, told, pool.released > 0) == ([0, 1], [], released)
