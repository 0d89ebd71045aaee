"""An HTTP server that answers as the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mnist_kube.client import KubeApi
from mnist_kube.connection import Connection

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers one request after the other with `answers`; `seen` has what was asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.tokens: list[str] = []
        self.counted: list[tuple[str, int]] = []
        self.answers: list[Answer] = []
        self.url = ""
        self.clients: list[KubeApi] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        self.tokens.append(request.headers.get("Authorization", ""))
        return await self.answers.pop(0)(request)

    def api(self, connection: Connection | None = None, **options: object) -> KubeApi:
        """Return a client; it is closed with the test."""
        observe = lambda verb, code, seconds: self.counted.append((verb, code))  # noqa: E731
        api = KubeApi(connection or Connection(self.url), observe=observe, **options)  # type: ignore[arg-type]
        self.clients.append(api)
        return api


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    scene = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", scene.handle)
    async with TestServer(app) as running:
        scene.url = str(running.make_url("")).rstrip("/")
        yield scene
        for api in scene.clients:
            await api.close()
