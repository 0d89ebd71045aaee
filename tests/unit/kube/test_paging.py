"""Long lists: page by page, through a server that fails now and then."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from tests.unit.kube.conftest import Answer, Server

from mnist_kube import client
from mnist_kube.errors import ApiError
from mnist_kube.resources import TRAININGS

PATH = TRAININGS.path()


def page(*names: str, token: str = "", version: str = "7") -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        items: list[dict[str, Any]] = [{"metadata": {"name": name}} for name in names]
        metadata = {"resourceVersion": version, **({"continue": token} if token else {})}
        kind = f"{TRAININGS.kind}List"
        return web.json_response(
            {"apiVersion": TRAININGS.api_version, "kind": kind, "metadata": metadata, "items": items}
        )

    return answer


def refused(status: int) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"reason": "", "message": "no"}, status=status)

    return answer


async def away(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_TRY_AGAIN_S", 0.0)


async def test_pages_are_one_list_whose_items_say_what_they_are(server: Server) -> None:
    server.answers = [page("a", "b", token="t/1"), page("c", version="9")]
    found = await server.api().list(PATH, {"labelSelector": "x=y"})
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b", "c"]
    assert {(item["apiVersion"], item["kind"]) for item in found["items"]} == {(TRAININGS.api_version, TRAININGS.kind)}
    assert found["metadata"] == {"resourceVersion": "9"}
    assert server.seen == [
        f"GET {PATH}?limit=500&labelSelector=x%3Dy",
        f"GET {PATH}?limit=500&labelSelector=x%3Dy&continue=t%2F1",
    ]


@pytest.mark.parametrize("lost", [refused(429), refused(500), away])
async def test_a_page_that_is_lost_is_asked_for_again_alone(server: Server, lost: Answer) -> None:
    server.answers = [page("a", token="1"), lost, page("b")]
    found = await server.api().list(PATH)
    assert len(found["items"]) == 2
    assert [seen.endswith("continue=1") for seen in server.seen] == [False, True, True]


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_refusal_is_not_repeated(server: Server, status: int) -> None:
    server.answers = [refused(status)]
    with pytest.raises(ApiError) as raised:
        await server.api().list(PATH)
    assert raised.value.status == status


async def test_a_server_that_stays_away_ends_it(server: Server) -> None:
    server.answers = [away] * 9
    with pytest.raises(ApiError):
        await server.api().list(PATH)
    assert server.counted == [("GET", 0)] * 3


async def test_pages_that_were_read_too_slowly_are_read_again_all_at_once(server: Server) -> None:
    server.answers = [page("a", token="1"), refused(410), page("a", "b")]
    found = await server.api().list(PATH)
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b"]
    assert server.seen[-1] == f"GET {PATH}"
