"""Requests are held back to a rate, and for as long as the server asks."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from mnist_kube.pacing import Throttle


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_rate_and_no_pause_hold_nothing_back() -> None:
    time = Time()
    throttle = Throttle(clock=time, sleep=time.sleep)
    asyncio.run(throttle.wait())
    assert time.now == 100.0


@given(rate=st.floats(0.5, 500), burst=st.integers(1, 40), gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_time_sees_more_requests_than_burst_and_rate_allow(rate: float, burst: int, gaps: list[float]) -> None:
    time = Time()
    throttle = Throttle(rate, burst, clock=time, sleep=time.sleep)
    sent: list[float] = []

    async def send() -> None:
        for gap in gaps:
            time.now += gap
            await throttle.wait()
            sent.append(time.now)

    asyncio.run(send())
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + (sent[last] - sent[first]) * rate + 1e-6


def test_a_burst_waits_for_nothing() -> None:
    time = Time()
    throttle = Throttle(1.0, 5, clock=time, sleep=time.sleep)

    async def send() -> list[float]:
        moments = []
        for _ in range(7):
            await throttle.wait()
            moments.append(time.now)
        return moments

    assert asyncio.run(send()) == [100.0] * 5 + [101.0, 102.0]


def test_retry_after_holds_for_everyone_but_not_for_ever() -> None:
    time = Time()
    throttle = Throttle(clock=time, sleep=time.sleep)
    throttle.pause(3)
    throttle.pause(1)
    asyncio.run(throttle.wait())
    assert time.now == 103.0
    throttle.pause(3600)
    asyncio.run(throttle.wait())
    assert time.now == 133.0
