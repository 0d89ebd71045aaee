"""Events as people find them: in order, counted where their component counts them, and never in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.events import EventRecorder, Repeats

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ns", "uid": "u"}}


class Api:
    """Takes events, or refuses them."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.patched: list[tuple[str, dict[str, Any]]] = []
        self.refuses = False

    async def create(self, path: str, body: dict[str, Any]) -> None:
        assert path == "/api/v1/namespaces/ns/events"
        if self.refuses:
            raise ApiError(403, "Forbidden", "no")
        self.created.append(body)

    async def patch(self, path: str, body: dict[str, Any]) -> None:
        self.patched.append((path, body))


@pytest.fixture
def api() -> Api:
    return Api()


def recorder(api: Api, repeats: Repeats) -> EventRecorder:
    return EventRecorder(cast(KubeApi, api), "component", repeats, instance="host")


async def test_events_of_one_second_are_in_order_by_their_names(api: Api) -> None:
    events = recorder(api, Repeats.APART)
    for number in range(20):
        await events.record(POD, "Normal", "Same", f"{number}")
    names = [event["metadata"]["name"] for event in api.created]
    assert names == sorted(set(names))
    assert all(event["involvedObject"]["uid"] == "u" for event in api.created)


@pytest.mark.parametrize(
    ("repeats", "where"), [(Repeats.COUNT, lambda patch: patch), (Repeats.SERIES, lambda patch: patch["series"])]
)
async def test_what_is_said_again_is_counted(api: Api, repeats: Repeats, where: Callable[[Any], Any]) -> None:
    events = recorder(api, repeats)
    for _ in range(3):
        await events.record(POD, "Warning", "BackOff", "again")
    assert len(api.created) == 1
    path, patch = api.patched[-1]
    assert path.endswith(api.created[0]["metadata"]["name"])
    assert where(patch)["count"] == 3


async def test_an_event_that_is_refused_is_in_nobodys_way_and_is_written_when_it_comes_again(api: Api) -> None:
    events = recorder(api, Repeats.COUNT)
    api.refuses = True
    await events.record(POD, "Normal", "Same", "text")
    api.refuses = False
    await events.record(POD, "Normal", "Same", "x" * 2000)
    assert [len(event["message"]) for event in api.created] == [1024]
