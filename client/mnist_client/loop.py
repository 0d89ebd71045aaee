"""An event loop in a thread of its own, so that code without one, or within another one, can call coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

_END_S = 10.0


class BackgroundLoop:
    """A running event loop. It ends with `close`, with the object, or with the process."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self._pid = os.getpid()
        self.close = weakref.finalize(self, _end, self._loop, self._thread)
        """End the loop: what still runs in it is cancelled first. May be called again."""

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the loop's own, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, from any thread but the loop's own.

        An interruption (Ctrl-C) cancels the coroutine, waits until it has cleaned up, and goes on to the caller.
        Raises RuntimeError where the loop has ended, or does meanwhile.
        """
        if problem := self._problem():
            work.close()
            raise RuntimeError(problem)
        task: asyncio.Task[T] | None = None
        done = threading.Event()

        def start() -> None:
            nonlocal task
            task = self._loop.create_task(work)
            task.add_done_callback(lambda _: done.set())

        self._loop.call_soon_threadsafe(start)
        try:
            done.wait()
        except BaseException:
            self._loop.call_soon_threadsafe(lambda: task.cancel() if task else None)
            done.wait(_END_S)
            raise
        assert task is not None
        if task.cancelled():
            raise RuntimeError("the client was closed meanwhile")
        return task.result()

    def iterate(self, items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        """Yield what an asynchronous generator yields; whoever leaves the iteration early closes that one, too."""
        try:
            while True:
                try:
                    item = self.run(_next(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if self.is_here:
                # The garbage collector runs in whatever thread it likes, and here nobody may wait.
                self._loop.create_task(items.aclose())
            elif not self._problem():
                self.run(items.aclose())

    def _problem(self) -> str:
        if not self.close.alive:
            return "the client is closed: make a new one"
        if self.is_here:
            return "the client's own thread must not wait for itself: use AsyncClient in coroutines"
        if os.getpid() != self._pid:
            return "the client was made in the parent process: make one of your own in each process"
        return ""


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await anext(items)


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.wait([asyncio.gather(*others, return_exceptions=True)], timeout=_END_S)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if not thread.is_alive():  # in the child of a fork
        return
    ending = asyncio.run_coroutine_threadsafe(_cancel_all(), loop)
    ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
    if threading.current_thread() is thread:
        return
    with contextlib.suppress(TimeoutError):
        ending.result(2 * _END_S)
    thread.join(_END_S)
    if not thread.is_alive():
        loop.close()
