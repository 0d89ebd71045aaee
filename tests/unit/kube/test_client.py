"""The client against a real HTTP server: what refusals become, what is counted, what is waited for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.unit.kube.conftest import Answer, Server

from mnist_kube.connection import Connection
from mnist_kube.errors import ApiError
from mnist_kube.kubeconfig import KubeconfigError
from mnist_kube.pacing import Throttle

PATH = "/api/v1/namespaces/default/secrets/x"


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
    api = server.api().guarded(lambda: True, Throttle(sleep=sleep))
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


def saying(status: int, body: Any) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer


async def test_missing_objects_are_found_to_be_none(server: Server) -> None:
    server.answers = [refusing(404, "NotFound"), refusing(403, "Forbidden")]
    assert await server.api().find(PATH) is None
    with pytest.raises(ApiError) as caught:
        await server.api().find(PATH)
    assert not caught.value.may_pass


@pytest.mark.parametrize("reason", ["NotFound", "Conflict"])
async def test_what_is_gone_or_another_may_be_fine_to_delete(server: Server, reason: str) -> None:
    status = 404 if reason == "NotFound" else 409
    server.answers = [refusing(status, reason), refusing(status, reason)]
    await server.api().delete(PATH, "uid", missing_ok=True)
    with pytest.raises(ApiError):
        await server.api().delete(PATH, "uid")


async def test_a_request_has_the_time_that_it_was_given(server: Server) -> None:
    server.answers = [silence]
    with pytest.raises(ApiError) as caught:
        await server.api().with_timeout(0.1).get(PATH)
    assert caught.value.not_reached


# --- credentials that run out ----------------------------------------------------------------------------------------


async def test_refused_credentials_are_renewed_once_for_all_who_were_refused(server: Server) -> None:
    renewals = 0

    async def renew() -> Connection:
        nonlocal renewals
        renewals += 1
        await asyncio.sleep(0)
        return Connection(server.url, token="new", renewable=True)

    async def by_token(request: web.Request) -> web.StreamResponse:
        fresh = request.headers["Authorization"] == "Bearer new"
        return web.json_response({"kind": "Secret"} if fresh else {}, status=200 if fresh else 401)

    server.answers = [by_token] * 20
    api = server.api(Connection(server.url, token="old", renewable=True), renew=renew)
    await asyncio.gather(*(api.get(PATH) for _ in range(5)))
    assert renewals == 1
    assert server.tokens[-1] == "Bearer new"


async def test_credentials_that_are_refused_again_are_an_error(server: Server) -> None:
    async def renew() -> Connection:
        return Connection(server.url, token="new", renewable=True)

    server.answers = [refusing(401, "Unauthorized"), refusing(401, "Unauthorized")]
    with pytest.raises(ApiError) as caught:
        await server.api(Connection(server.url, token="old", renewable=True), renew=renew).get(PATH)
    assert (caught.value.status, len(server.seen)) == (401, 2)


async def test_why_there_are_no_other_credentials_is_said(server: Server) -> None:
    async def renew() -> Connection:
        raise KubeconfigError("its plugin gave no credentials")

    server.answers = [refusing(401, "Unauthorized")]
    with pytest.raises(ApiError, match="its plugin gave no credentials"):
        await server.api(Connection(server.url, token="old", renewable=True), renew=renew).get(PATH)


async def test_fixed_credentials_are_not_asked_for_again(server: Server) -> None:
    async def renew() -> Connection:
        raise AssertionError

    server.answers = [refusing(401, "Unauthorized")]
    with pytest.raises(ApiError):
        await server.api(Connection(server.url, token="old"), renew=renew).get(PATH)


async def test_a_token_file_is_read_again_when_its_token_is_old(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    server.answers = [fine] * 4
    api = server.api(Connection(server.url, token_file=file))
    await api.get(PATH)
    file.write_text("two\n")
    await api.get(PATH)
    monkeypatch.setattr("mnist_kube.transport._TOKEN_FILE_GOOD_FOR_S", 0.0)
    await api.get(PATH)
    file.unlink()
    await api.get(PATH)
    assert server.tokens == ["Bearer one", "Bearer one", "Bearer two", "Bearer two"]


# --- watches and streams ---------------------------------------------------------------------------------------------


def lines(*events: dict[str, Any]) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        text = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        for start in range(0, len(text), 7):  # events come in pieces
            await response.write(text[start : start + 7])
        return response

    return answer


async def test_events_of_a_watch_come_whole_and_its_error_is_raised(server: Server) -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    server.answers = [lines({"type": "ADDED", "object": {"kind": "Pod"}}, gone)]
    events = server.api().watch("/api/v1/pods", {"resourceVersion": "5"})
    assert await anext(events) == ("ADDED", {"kind": "Pod"})
    with pytest.raises(ApiError) as caught:
        await anext(events)
    assert (caught.value.status, caught.value.reason) == (410, "Expired")
    assert "watch=true" in server.seen[0]
    assert "resourceVersion=5" in server.seen[0]


@pytest.mark.parametrize("answer", [silence, half_an_answer, saying(503, {}), lines({"no": "event"})])
async def test_a_watch_that_is_no_more_is_an_error_that_may_pass(server: Server, answer: Answer) -> None:
    server.answers = [answer]
    with pytest.raises(ApiError) as caught:
        await anext(server.api().watch("/api/v1/pods", idle_timeout=0.2))
    assert caught.value.may_pass


async def test_another_connection_ends_the_streams_of_the_former(server: Server) -> None:
    begun = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a line\n")
        await asyncio.sleep(30)
        raise AssertionError

    server.answers = [endless, fine]
    api = server.api()

    async def read() -> None:
        async for _ in api.stream(f"{PATH}/log"):
            begun.set()

    reading = asyncio.create_task(read())
    await begun.wait()
    await api.reconnect(Connection(server.url, token="other"))
    with pytest.raises(ApiError, match="was replaced"):
        await asyncio.wait_for(reading, 5)
    await api.get(PATH)
    assert server.tokens[-1] == "Bearer other"


async def test_what_the_server_does_about_unknown_fields_is_said_with_each_write(server: Server) -> None:
    server.answers = [fine] * 4
    api = server.api(field_validation="Ignore")
    await api.get(PATH)
    await api.create(PATH, {})
    await api.create(PATH, {}, strict=True)
    await api.patch(PATH, {})
    asked = [f"GET {PATH}", *(f"{verb} {PATH}?fieldValidation=" for verb in ("POST", "POST", "PATCH"))]
    assert server.seen == [ask + said for ask, said in zip(asked, ("", "Ignore", "Strict", "Ignore"), strict=True)]


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"nodeSelector": {2: "a", True: "b"}}, {"nodeSelector": {"2": "a", "true": "b"}}),
        ({"seed": 10**30}, {"seed": 10**30}),
        ({"message": "\ud800"}, {"message": "\ud800"}),
    ],
)
async def test_what_a_person_wrote_reaches_the_server_which_says_what_is_wrong_with_it(
    server: Server, body: Any, sent: Any
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        assert json.loads(await request.read()) == sent
        return web.json_response({"reason": "Invalid", "message": "no"}, status=422)

    server.answers = [refuse]
    with pytest.raises(ApiError) as caught:
        await server.api().create(PATH, body)
    assert caught.value.status == 422
