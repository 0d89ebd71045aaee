"""Nothing is missed between a list and the watch that goes on from it, and kopf lists nothing of ours."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any

import kopf
import pytest
from kopf._cogs.clients import fetching, watching

from mnist_kube.errors import ApiError
from mnist_kube.queue import WorkQueue
from mnist_operator import controller as module
from mnist_operator import handlers
from mnist_operator.cache import ClusterState
from mnist_operator.controller import Controller
from mnist_operator.handlers import NoMemories, Watches
from mnist_operator.listings import Listings
from mnist_operator.metrics.exporter import Metrics
from mnist_operator.resync import NAMES, Resynced
from mnist_operator.settings import Settings


class Resource:
    """A kind as kopf knows it."""

    def __init__(self, group: str, plural: str) -> None:
        self.group, self.plural = group, plural

    def get_url(self, *, namespace: str | None, params: dict[str, str]) -> str:
        return f"/{self.plural}?limit={params['limit']}"


@pytest.fixture(autouse=True)
def kopfs_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "fetch_objs", fetching.fetch_objs)  # put back after each test


def test_kopf_still_lists_where_we_take_its_place() -> None:
    assert set(inspect.signature(handlers._kopfs_list).parameters) == {"settings", "resource", "namespace", "logger"}
    assert "fetching.fetch_objs(" in inspect.getsource(watching.continuous_watch)


async def test_a_watch_begins_at_a_version_and_without_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def get(*, url: str, **_: Any) -> dict[str, Any]:
        asked.append(url)
        return {"metadata": {"resourceVersion": "7"}, "items": [{}]}

    async def theirs(*, resource: Resource, **_: Any) -> Any:
        yield [resource.plural], "1"

    monkeypatch.setattr(handlers.kopf_api, "get", get)
    monkeypatch.setattr(handlers, "_kopfs_list", theirs)
    listings = Listings()
    Watches(ClusterState(), WorkQueue(), listings).register(kopf.OperatorRegistry())

    async def pages(group: str, plural: str) -> list[Any]:
        options: Any = {
            "settings": None,
            "namespace": "ns",
            "logger": logging.getLogger(),
            "resource": Resource(group, plural),
        }
        return [page async for page in fetching.fetch_objs(**options)]

    assert await pages("mnist.training", "mnisttrainings") == [([], "7")]
    assert await pages("ray.io", "rayjobs") == [([], "7")]
    assert asked == ["/mnisttrainings?limit=1", "/rayjobs?limit=1"]
    assert listings.outdated({}) == {"MnistTraining", "RayJob"}
    assert await pages("apiextensions.k8s.io", "customresourcedefinitions") == [(["customresourcedefinitions"], "1")]


async def test_kopf_remembers_no_object() -> None:
    memories = NoMemories()
    for uid in ("a", "b"):
        await memories.recall({"metadata": {"uid": uid}}, noticed_by_listing=True)  # type: ignore[typeddict-item]
    assert list(memories.iter_all_memories()) == []


async def test_the_first_list_waits_for_the_watches_but_not_for_a_kind_that_is_not_there() -> None:
    listings = Listings()
    waiting = asyncio.create_task(listings.have_begun(NAMES, 60))
    for kind in NAMES:
        await asyncio.sleep(0)
        assert not waiting.done()
        listings.watch_begins(kind)
    await asyncio.wait_for(waiting, 10)
    await asyncio.wait_for(Listings().have_begun(NAMES, 0.01), 10)


async def test_what_a_watch_may_have_missed_is_listed_once_and_again_if_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listings, listed = Listings(), list[set[str]]()
    failures = [ApiError(500, "InternalError", "no")]

    async def resync(api: Any, state: Any, namespaces: Any, kinds: Any, versions: Any) -> Resynced:
        if failures:
            raise failures.pop()
        listed.append(set(kinds))
        return Resynced({("ns", "a")}, frozenset())

    monkeypatch.setattr(module, "resync", resync)
    monkeypatch.setattr(module, "_LIST_AGAIN", 0.0)
    controller = Controller(None, ClusterState(), Settings(), Metrics(), listings=listings)  # type: ignore[arg-type]
    listings.watch_begins("RayJob")
    await controller._catch_up(0.2)
    assert listed == [{"RayJob"}]
    assert len(controller.queue) == 1
    listings.changed.set()
    await controller._catch_up(0.05)
    assert listed == [{"RayJob"}], "it was listed after its watch began"
