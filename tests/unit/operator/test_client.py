"""The client against a real HTTP server: what refusals become, what is counted, what is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from mnist_operator.kube.client import ApiError, KubeApi
from mnist_operator.kube.throttle import Throttle

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATH = "/api/v1/namespaces/default/secrets/x"


class Server:
    """Answers as the test says; `seen` has what was asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.counted: list[tuple[str, int]] = []
        self.answers: list[Answer] = []
        self.url = ""
        self.clients: list[client.ApiClient] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        return await self.answers.pop(0)(request)

    def api(self, **options: object) -> KubeApi:
        """Return a client; it is closed with the test."""
        configuration = client.Configuration()
        configuration.host = self.url
        observe = lambda verb, code, seconds: self.counted.append((verb, code))  # noqa: E731
        self.clients.append(client.ApiClient(configuration))
        return KubeApi(self.clients[-1], observe, **options)  # type: ignore[arg-type]


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


def refusing(status: int, reason: str, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"reason": reason, "message": "no"}, status=status, headers=headers)

    return answer


async def fine(_: web.Request) -> web.StreamResponse:
    return web.json_response({"kind": "Secret"})


async def silence(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError


async def a_proxys_page(_: web.Request) -> web.StreamResponse:
    return web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html")


async def half_an_answer(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind":')
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.mark.parametrize(
    ("answer", "status", "reason", "retry_after"),
    [
        (refusing(429, "TooManyRequests", **{"Retry-After": "7"}), 429, "TooManyRequests", 7.0),
        (refusing(429, "TooManyRequests"), 429, "TooManyRequests", None),
        (refusing(503, "ServiceUnavailable", **{"Retry-After": "soon"}), 503, "ServiceUnavailable", None),
        (refusing(500, "InternalError"), 500, "InternalError", None),
        (a_proxys_page, 502, "", None),
        (half_an_answer, 0, "Unreachable", None),
        (silence, 0, "Unreachable", None),
    ],
    ids=["429", "429-bare", "503", "500", "502-page", "cut", "silent"],
)
async def test_every_failure_is_an_api_error_and_is_counted(
    server: Server, answer: Answer, status: int, reason: str, retry_after: float | None
) -> None:
    server.answers = [answer]
    with pytest.raises(ApiError) as caught:
        await server.api(timeout=0.3).create("/api/v1/namespaces/default/secrets", {})
    assert (caught.value.status, caught.value.reason, caught.value.retry_after) == (status, reason, retry_after)
    assert server.counted == [("POST", status)]


async def test_retry_after_holds_the_next_request_back(server: Server) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    server.answers = [refusing(429, "TooManyRequests", **{"Retry-After": "2"}), fine]
    api = server.api(throttle=Throttle(sleep=sleep))
    with pytest.raises(ApiError):
        await api.get(PATH)
    await api.get(PATH)
    assert len(slept) == 1
    assert 1.5 < slept[0] <= 2.0


async def test_one_that_may_not_write_only_reads(server: Server) -> None:
    server.answers = [fine]
    api = server.api().guarded(lambda: False)
    await api.get(PATH)
    with pytest.raises(ApiError, match="not the active one"):
        await api.delete(PATH, "uid")
    assert server.seen == [f"GET {PATH}"]


async def test_a_wait_for_its_turn_does_not_outlive_the_right_to_write(server: Server) -> None:
    active = True

    async def sleep(_: float) -> None:
        nonlocal active
        active = False

    throttle = Throttle(sleep=sleep)
    throttle.pause(5)
    with pytest.raises(ApiError, match="not the active one"):
        await server.api().guarded(lambda: active, throttle).create("/api/v1/namespaces/default/secrets", {})
    assert server.seen == []
