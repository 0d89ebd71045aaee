"""The local copy of a collection survives whatever happens to its watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import pytest

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.informer import Informer
from mnist_kube.resources import PODS

GONE = ApiError(410, "Expired", "too old")
AWAY = ApiError(0, "Unreachable", "gone")


def pod(name: str, version: int, uid: str = "") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": uid or name, "resourceVersion": str(version)}
    return {"metadata": metadata}


class ScriptedApi:
    """Answers lists and watches from a script; the last watch stays open."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.versions: list[str] = []
        self.at_rest = asyncio.Event()

    async def list(self, _: str, __: Mapping[str, str], tries: int) -> dict[str, Any]:
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        version, items = step
        return {"metadata": {"resourceVersion": str(version)}, "items": items}

    async def watch(self, _: str, query: Mapping[str, str], __: float) -> AsyncIterator[Any]:
        self.versions.append(query["resourceVersion"])
        if not self.script:
            self.at_rest.set()
            await asyncio.Event().wait()
        for step in self.script.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step


async def follow(*script: Any) -> tuple[list[tuple[str, str, bool]], ScriptedApi]:
    """Changes as (name, version, deleted) until the script is at its end."""
    api = ScriptedApi(*script)
    changes: list[tuple[str, str, bool]] = []
    informer = Informer(cast(KubeApi, api), PODS, None)
    informer.on_change(
        lambda obj, deleted: changes.append((obj["metadata"]["name"], obj["metadata"]["resourceVersion"], deleted))
    )
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(5):
        await api.at_rest.wait()
    assert informer.synced.is_set()
    task.cancel()
    return changes, api


async def test_list_then_watch() -> None:
    changes, api = await follow(
        (5, [pod("a", 1)]),
        [("ADDED", pod("b", 6)), ("MODIFIED", pod("a", 7)), ("DELETED", pod("b", 8))],
    )
    assert changes == [("a", "1", False), ("b", "6", False), ("a", "7", False), ("b", "8", True)]
    assert api.versions == ["5", "8"]


async def test_bookmarks_move_the_version_only() -> None:
    changes, api = await follow((5, []), [("BOOKMARK", {"metadata": {"resourceVersion": "99"}})])
    assert changes == []
    assert api.versions == ["5", "99"]


async def test_expired_version_lists_again_and_tells_only_what_differs() -> None:
    changes, api = await follow((5, [pod("a", 1), pod("b", 2)]), [GONE], (9, [pod("a", 1), pod("c", 8)]))
    assert changes == [("a", "1", False), ("b", "2", False), ("b", "2", True), ("c", "8", False)]
    assert api.versions == ["5", "9"]


async def test_lost_server_that_comes_back_empty() -> None:
    changes, _ = await follow((5, [pod("a", 1)]), [AWAY], AWAY, (2, []))
    assert changes == [("a", "1", False), ("a", "1", True)]


async def test_refused_list_is_tried_again() -> None:
    changes, _ = await follow(ApiError(500, "", "not yet"), ApiError(404, "", "not yet"), (1, [pod("a", 1)]))
    assert changes == [("a", "1", False)]


async def test_another_object_of_the_same_name_is_a_deletion_first() -> None:
    changes, _ = await follow((5, [pod("a", 1, "old")]), [("ADDED", pod("a", 7, "new"))])
    assert changes == [("a", "1", False), ("a", "1", True), ("a", "7", False)]


async def test_another_object_of_the_same_name_in_a_new_list_is_a_deletion_first() -> None:
    changes, _ = await follow((5, [pod("a", 1, "old")]), [GONE], (9, [pod("a", 8, "new")]))
    assert changes == [("a", "1", False), ("a", "1", True), ("a", "8", False)]


async def test_own_writes_are_seen_at_once_and_old_news_is_ignored() -> None:
    changes: list[str] = []
    informer = Informer(cast(KubeApi, ScriptedApi()), PODS, None)
    informer.on_change(lambda obj, _: changes.append(obj["metadata"]["resourceVersion"]))
    informer.observe(pod("a", 7))
    informer.observe(pod("a", 6))
    assert changes == ["7"]
    assert (informer.get(("ns", "a")) or {})["kind"] == "Pod"


@pytest.mark.parametrize("refusal", [ApiError(403, "Forbidden", "no"), ApiError(404, "NotFound", "no such kind")])
async def test_who_cannot_wait_is_told_of_a_refusal_and_of_nothing_that_passes(refusal: ApiError) -> None:
    api = ScriptedApi(AWAY, (5, [pod("a", 1)]), [GONE], refusal)
    changes = Informer(cast(KubeApi, api), PODS, None).changes(give_up=True)
    assert await anext(changes) == ("ADDED", pod("a", 1))
    with pytest.raises(ApiError) as caught:
        await anext(changes)
    assert caught.value is refusal
