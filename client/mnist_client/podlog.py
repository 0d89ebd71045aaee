"""The log of one pod as it is written, through lost connections: nothing is left out, nothing comes twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.pacing import Backoff
from mnist_kube.resources import PODS


class NotStarted(Exception):  # noqa: N818 - no error: it will come
    """The container has not started, or the pod is gone already: there is no log to read."""


class PodLog:
    """The first container's log.

    Args:
        api: the API server.
        pod: the pod as it was last seen.
        runs: tells whether that pod still runs; asked when the server ends the log.
    """

    def __init__(self, api: KubeApi, pod: Object, runs: Callable[[], bool]) -> None:
        self._api = api
        self._path = PODS.path_to(pod, "log")
        self._container = {"container": pod["spec"]["containers"][0]["name"]}
        self._runs = runs

    async def read(self, tail: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield what is there now. Raises NotStarted, or ApiError."""
        query = self._container | ({"tailLines": str(tail)} if tail is not None else {})
        async with contextlib.aclosing(self._stream(query)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def follow(self, tail: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield what is there, then what comes, until the container has ended. Raises NotStarted, or ApiError."""
        seen = 0
        if tail is not None:
            there = b"".join([chunk async for chunk in self.read()])
            seen = len(there)
            if lines := there.splitlines(keepends=True)[-tail:] if tail else []:
                yield b"".join(lines)
        delays = Backoff(0.1, 5.0)
        while True:
            before, skip = seen, await self._known(seen)
            seen = skip
            try:
                async with contextlib.aclosing(self._stream(self._container | {"follow": "true"})) as chunks:
                    async for chunk in chunks:
                        fresh, skip = chunk[skip:], max(0, skip - len(chunk))
                        if fresh:
                            seen += len(fresh)
                            yield fresh
            except ApiError as error:
                if not error.may_pass:
                    raise
            except NotStarted:
                if not seen:
                    raise
                return  # the pod went with its node or its cluster
            if seen > before:
                delays.reset()
            # A server that is restarted ends a log as politely as a container that has ended.
            await asyncio.sleep(delays.next())
            if not self._runs():
                return

    async def _known(self, seen: int) -> int:
        """How much of the log as it is now has been yielded: none of it after the node has rotated it."""
        if not seen:
            return 0
        try:
            size = sum([len(chunk) async for chunk in self.read()])
        except (ApiError, NotStarted):
            return seen
        return seen if size >= seen else 0

    async def _stream(self, query: dict[str, str]) -> AsyncGenerator[bytes, None]:
        try:
            async with contextlib.aclosing(self._api.stream(self._path, query)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ApiError as error:
            if error.not_found or "waiting to start" in error.message:
                raise NotStarted from None
            raise
