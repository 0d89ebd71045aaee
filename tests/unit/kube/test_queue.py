"""The work queue: nothing is missed, nothing is worked on twice at once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.support.kuberay import eventually

from mnist_kube.queue import WorkQueue


async def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(3):
        queue.add("a")
    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_a_key_added_during_its_work_comes_again_after_it() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    other = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not other.done(), "one worker at a time for a key"
    queue.done("a")
    assert await asyncio.wait_for(other, 1) == "a"


async def test_a_key_added_now_does_not_wait_for_its_timer() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 3600)
    queue.add("a")
    assert await asyncio.wait_for(queue.get(), 1) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_the_earlier_of_two_times_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    queue.add_after("a", 3600)
    assert await asyncio.wait_for(queue.get(), 5) == "a"


async def test_retries_come_later_and_later_until_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue(base_delay=1.0, max_delay=100.0)
    delays = [queue.retry("a") for _ in range(12)]
    assert all(0.75 * 2.0**n <= delay <= 1.25 * 2.0**n for n, delay in enumerate(delays[:6]))
    assert max(delays) <= 125.0
    queue.forget("a")
    assert queue.retry("a") <= 1.25
    assert queue.retry("b", at_least=30.0) == 30.0
    queue.close()


async def test_draining_gives_out_nothing_more_and_waits_for_what_is_in_hand() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "a"
    draining = asyncio.create_task(queue.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.05)
    queue.done("a")
    await asyncio.wait_for(draining, 1)


async def test_the_oldest_is_the_one_that_was_added_first() -> None:
    now = 100.0
    queue: WorkQueue[str] = WorkQueue(clock=lambda: now)
    assert queue.oldest() == 0.0
    for key, moment in (("a", 100.0), ("b", 103.0), ("a", 104.0)):
        now = moment
        queue.add(key)
    now = 105.0
    assert queue.oldest() == 5.0
    await queue.get()
    assert queue.oldest() == 2.0


# --- workers ---------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def working(reconcile: Callable[[str], Awaitable[float | None]]) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue(base_delay=0.01, max_delay=1.0)
    task = asyncio.create_task(queue.work("test", 3, reconcile))
    try:
        yield queue
    finally:
        queue.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_pass_at_a_time_and_one_more_for_what_came_meanwhile() -> None:
    passes, at_once = 0, 0
    gate = asyncio.Event()

    async def reconcile(_: str) -> None:
        nonlocal passes, at_once
        passes += 1
        at_once += 1
        assert at_once == 1
        await gate.wait()
        at_once -= 1

    async with working(reconcile) as queue:
        for _ in range(5):
            queue.add("a")
            await asyncio.sleep(0)
        gate.set()
        await eventually(lambda: passes == 2 and at_once == 0, 5)
        queue.add("other")  # a third pass of the first key would come before this one
        await eventually(lambda: passes == 3, 5)


async def test_a_failure_is_retried_later_and_later_even_if_it_adds_its_own_key() -> None:
    times: list[float] = []

    async def reconcile(key: str) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 5:
            queue.add(key)  # as a write of its own does, by the watch
            raise ValueError("not yet")

    async with working(reconcile) as queue:
        queue.add("a")
        await eventually(lambda: len(times) >= 5, 5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times[:5])]
    assert all(pause >= 0.75 * 0.01 * 2**n for n, pause in enumerate(pauses)), pauses


async def test_a_delayed_key_comes_earlier_when_asked_for() -> None:
    seen = asyncio.Event()

    async def reconcile(_: str) -> None:
        seen.set()

    async with working(reconcile) as queue:
        queue.add_after("a", 1000)
        queue.add_after("a", 0.01)
        async with asyncio.timeout(5):
            await seen.wait()


async def test_a_requested_delay_is_kept() -> None:
    passes = 0

    async def reconcile(_: str) -> float | None:
        nonlocal passes
        passes += 1
        return 0.01 if passes < 3 else None

    async with working(reconcile) as queue:
        queue.add("a")
        await eventually(lambda: passes == 3, 5)
