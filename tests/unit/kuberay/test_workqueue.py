"""The queue of keys."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from tests.support.kuberay import eventually

from mnist_local.kuberay.json_types import Key
from mnist_local.kuberay.workqueue import Reconcile, WorkQueue

KEY: Key = ("ns", "a")


@contextlib.asynccontextmanager
async def working(reconcile: Reconcile) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue("test", reconcile)
    task = asyncio.create_task(queue.run(3))
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_one_pass_at_a_time_and_one_more_for_what_came_meanwhile() -> None:
    passes, at_once = 0, 0
    gate = asyncio.Event()

    async def reconcile(_: Key) -> None:
        nonlocal passes, at_once
        passes += 1
        at_once += 1
        assert at_once == 1
        await gate.wait()
        at_once -= 1

    async with working(reconcile) as queue:
        for _ in range(5):
            queue.add(KEY)
            await asyncio.sleep(0)
        gate.set()
        await eventually(lambda: passes == 2 and at_once == 0, 5)
        queue.add(("ns", "other"))  # a third pass of the first key would come before this one
        await eventually(lambda: passes == 3, 5)


async def test_failure_is_retried_and_later_ones_wait_longer() -> None:
    times: list[float] = []

    async def reconcile(_: Key) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 4:
            raise ValueError("not yet")

    async with working(reconcile) as queue:
        queue.add(KEY)
        await eventually(lambda: len(times) >= 4, 5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == sorted(pauses)


async def test_a_delayed_key_comes_earlier_when_asked_for() -> None:
    seen = asyncio.Event()

    async def reconcile(_: Key) -> None:
        seen.set()

    async with working(reconcile) as queue:
        queue.add_after(KEY, 1000)
        queue.add_after(KEY, 0.01)
        async with asyncio.timeout(5):
            await seen.wait()


async def test_requested_delay_is_kept() -> None:
    passes = 0

    async def reconcile(_: Key) -> float | None:
        nonlocal passes
        passes += 1
        return 0.01 if passes < 3 else None

    async with working(reconcile) as queue:
        queue.add(KEY)
        await eventually(lambda: passes == 3, 5)
