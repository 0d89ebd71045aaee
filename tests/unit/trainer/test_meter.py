"""The meter says how training gets on: seldom enough to cost nothing, and always at the end of an epoch."""

from __future__ import annotations

import pytest
import torch

from mnist_trainer import meter
from mnist_trainer.backoff import Backoff
from mnist_trainer.events import Event, FirstStep, Progress
from mnist_trainer.meter import Meter


class Clock:
    """A clock that moves when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def time(self) -> float:
        return 1.7e9 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(meter, "time", clock)
    return clock


def train(clock: Clock, steps: int, seconds: float, data_seconds: float = 0.0, epochs: int = 1) -> list[Event]:
    """What is said of epochs whose steps of 10 images take so long."""
    said: list[Event] = []
    tested = Meter(steps, 2, said.append)
    for epoch in range(1, epochs + 1):
        tested.start(epoch)
        for step in range(steps):
            with tested.preparing_data():
                clock.now += data_seconds
            clock.now += seconds - data_seconds
            tested.step_done(10, torch.tensor(float(step)))
    return said


def test_the_first_step_of_a_run_is_said_once(clock: Clock) -> None:
    said = train(clock, steps=3, seconds=0.1, epochs=2)
    assert [event for event in said if isinstance(event, FirstStep)] == [FirstStep(1.7e9 + 0.1)]


def test_progress_is_said_twice_a_second_and_at_the_end(clock: Clock) -> None:
    reports = [event for event in train(clock, 8, seconds=0.25, data_seconds=0.0625) if isinstance(event, Progress)]
    assert [report.step for report in reports] == [2, 4, 6, 8]
    assert reports[1] == Progress(1, 4, 8, 3.0, 40.0, 2, step_seconds=0.25, data_seconds=0.0625)
    short = [event for event in train(clock, 3, seconds=0.01) if isinstance(event, Progress)]
    assert [report.step for report in short] == [3]


def test_a_meter_that_nobody_listens_to_counts_all_the_same(clock: Clock) -> None:
    silent = Meter(2, 1, None)
    silent.start(1)
    clock.now += 3
    silent.step_done(10, torch.tensor(1.0))
    assert (silent.images, silent.seconds) == (10, 3)


def test_waits_grow_to_a_bound_and_begin_anew() -> None:
    backoff = Backoff(1, 5)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next() == 1
