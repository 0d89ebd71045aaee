"""What the operator's event loop could not hand to a task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from mnist_operator.run import _on_loop_error


@asynccontextmanager
async def stubborn() -> AsyncIterator[None]:
    """As the block around kopf's watch: it goes on when it should end."""
    with suppress(GeneratorExit):
        yield
    yield


async def watch() -> AsyncIterator[int]:
    async with stubborn():
        yield 1


def test_a_watch_that_the_loops_end_closes_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    kept = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(_on_loop_error)
        kept.append(watch())
        await anext(kept[0])

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    (record,) = [record for record in caplog.records if "generator" in record.getMessage()]
    assert record.levelno == logging.DEBUG
    assert record.exc_info is None


def test_an_exception_that_nobody_caught_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_on_loop_error)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text
