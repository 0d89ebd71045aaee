"""Feeds: one watch for all pages of an identity, subscriptions that stay small, an end for what nobody looks at."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mnist_kube.errors import ApiError
from mnist_kube.resources import TRAININGS
from mnist_portal.live import Feed, FeedName, Hub


class FakeApi:
    """A collection that is listed, and watches that say what they are told to."""

    def __init__(self) -> None:
        self.lists = 0
        self.watches = 0
        self.refusal: ApiError | None = None
        self.said: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def list(self, path: str, query: object, tries: int = 3) -> dict[str, Any]:
        self.lists += 1
        if self.refusal is not None:
            raise self.refusal
        return {"metadata": {"resourceVersion": "1"}, "items": [obj("one", 1)]}

    async def watch(self, path: str, query: object, idle: float) -> Any:
        self.watches += 1
        while True:
            yield await self.said.get()


def obj(name: str, version: int) -> dict[str, Any]:
    return {"kind": "MnistTraining", "metadata": {"name": name, "namespace": "lab", "uid": name,
                                                  "resourceVersion": str(version)}}  # fmt: skip


def feed(api: FakeApi, *places: str | None) -> Feed:
    return Feed(api, TRAININGS, places or (None,))  # type: ignore[arg-type]


async def test_fifty_pages_of_one_identity_are_one_watch_and_each_hears_of_a_change() -> None:
    api, hub = FakeApi(), Hub(idle=60)
    name = FeedName("ada", "mnisttrainings", (None,))
    pages = [await hub.feed(name, lambda: feed(api)) for _ in range(50)]
    await pages[0].ready()
    import contextlib

    with contextlib.ExitStack() as stack:
        heard = [stack.enter_context(page.subscribed()) for page in pages]
        api.said.put_nowait(("MODIFIED", obj("one", 2)))
        assert await asyncio.gather(*(one.changes(5) for one in heard)) == [{("lab", "one")}] * 50
        assert (api.lists, api.watches, hub.watches, hub.pages) == (1, 1, 1, 50)
    assert hub.pages == 0
    await hub.close()


async def test_another_identity_has_a_watch_of_its_own() -> None:
    api, hub = FakeApi(), Hub(idle=60)
    for who in ("ada", "bob"):
        await (await hub.feed(FeedName(who, "mnisttrainings", (None,)), lambda: feed(api))).ready()
    assert hub.watches == 2
    await hub.forget("ada")
    assert hub.watches == 1
    await hub.close()


async def test_a_page_that_is_slow_hears_once_of_many_changes() -> None:
    api = FakeApi()
    one = feed(api)
    await one.ready()
    with one.subscribed() as slow:
        for version in range(2, 500):
            api.said.put_nowait(("MODIFIED", obj("one", version)))
        with one.subscribed() as quick:
            while (one.get(("lab", "one")) or {})["metadata"]["resourceVersion"] != "499":
                await quick.changes(5)
        assert await slow.changes(5) == {("lab", "one")}
        assert await slow.changes(0.01) is None
    await one.close()


async def test_what_nobody_looks_at_ends_and_what_is_looked_at_does_not() -> None:
    api, hub = FakeApi(), Hub(idle=0.0)
    name = FeedName("ada", "mnisttrainings", (None,))
    one = await hub.feed(name, lambda: feed(api))
    with one.subscribed():
        await asyncio.sleep(0.01)
        await hub.sweep()
        assert hub.watches == 1
    await asyncio.sleep(0.01)
    await hub.sweep()
    assert hub.watches == 0


async def test_there_are_only_so_many_feeds() -> None:
    api, hub = FakeApi(), Hub(idle=60, most=3)
    for number in range(10):
        await hub.feed(FeedName(str(number), "mnisttrainings", (None,)), lambda: feed(api))
        await asyncio.sleep(0.001)
    assert hub.watches <= 3
    await hub.close()


async def test_a_refusal_is_told_at_once_and_a_page_hears_of_it() -> None:
    api = FakeApi()
    api.refusal = ApiError(403, "Forbidden", "no")
    one = feed(api)
    with pytest.raises(ApiError, match="no"):
        await one.ready()
    assert one.problem is not None
    await one.close()


async def test_a_page_is_told_of_the_end_of_its_feed() -> None:
    one = feed(FakeApi())
    await one.ready()
    with one.subscribed() as page:
        await one.close()
        assert await page.changes(5) == set()
        assert page.is_over
