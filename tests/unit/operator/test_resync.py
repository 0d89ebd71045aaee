"""Filling the caches from an API server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from mnist_kube.errors import ApiError
from mnist_operator.cache import ClusterState
from mnist_operator.resync import changes, resync

REFUSED = ApiError(403, "Forbidden", "no")
UNKNOWN = ApiError(404, "NotFound", "no such kind")


class Api:
    """Has trainings of the given names, and nothing else; raises what it is told to for other kinds."""

    def __init__(self, *names: str, others: ApiError | None = None) -> None:
        self.names = names
        self.others = others
        self.status: dict[str, Any] = {}
        self.asked: list[str] = []

    async def pages(self, path: str, query: dict[str, str]) -> AsyncGenerator[dict[str, Any], None]:
        self.asked.append(path.rsplit("/", 1)[1])
        if not path.endswith("mnisttrainings"):
            assert query == {"labelSelector": "app.kubernetes.io/managed-by=mnist-operator"}
            if self.others:
                raise self.others
            yield {"items": []}
            return
        for name in self.names:
            metadata = {"namespace": "ns", "name": name, "uid": name, "resourceVersion": "1"}
            yield {"items": [{"metadata": metadata, "spec": {}, "status": self.status}]}


async def test_all_that_there_is_and_all_that_is_gone_is_looked_at() -> None:
    state = ClusterState()
    assert (await resync(Api("a", "b"), state, ())).keys == {("ns", "a"), ("ns", "b")}  # type: ignore[arg-type]
    api = Api("b", "c")
    found = await resync(api, state, ())  # type: ignore[arg-type]
    assert found.keys == {("ns", "a"), ("ns", "b"), ("ns", "c")}
    assert sorted(state.trainings.keys()) == [("ns", "b"), ("ns", "c")]
    assert api.asked == ["mnisttrainings", "rayclusters", "rayjobs"]


async def test_one_made_anew_while_the_list_was_on_its_way_is_kept() -> None:
    state = ClusterState()
    await resync(Api("a"), state, ())  # type: ignore[arg-type]

    class Late(Api):
        async def pages(self, path: str, query: dict[str, str]) -> AsyncGenerator[dict[str, Any], None]:
            async for page in super().pages(path, query):
                yield page
            if path.endswith("mnisttrainings"):
                state.trainings.remove("ns", "a", "a")
                anew = {"namespace": "ns", "name": "a", "uid": "another", "resourceVersion": "7"}
                state.trainings.put({"metadata": anew, "spec": {}})

    found = await resync(Late(), state, ())  # type: ignore[arg-type]
    assert found.keys == {("ns", "a")}
    assert state.trainings.uids() == {("ns", "a"): "another"}


async def test_what_is_done_for_good_is_not_looked_at_again() -> None:
    state, api = ClusterState(), Api("a", "b")
    api.status = {"phase": "Succeeded", "completionTime": "2026-01-01T00:00:00Z"}
    labels = {"mnist.training/training": "b"}
    state.clusters.put({"metadata": {"namespace": "ns", "name": "b-1", "uid": "c", "labels": labels}, "spec": {}})

    class Keeps(Api):
        async def pages(self, path: str, query: dict[str, str]) -> AsyncGenerator[dict[str, Any], None]:
            async for page in super().pages(path, query):
                cluster = {"namespace": "ns", "name": "b-1", "uid": "c", "labels": labels}
                yield {"items": [{"metadata": cluster, "spec": {}}]} if path.endswith("rayclusters") else page

    keeps = Keeps("a", "b")
    keeps.status = api.status
    assert (await resync(keeps, state, ())).keys == {("ns", "b")}, "its cluster is there yet"  # type: ignore[arg-type]
    assert (await resync(api, state, ())).keys == set()  # type: ignore[arg-type]
    api.status = {"phase": "Running"}
    fresh = ClusterState()
    assert (await resync(api, fresh, ())).keys == {("ns", "a"), ("ns", "b")}  # type: ignore[arg-type]


class Changing(Api):
    """Lists at version 5, and has changed since."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.watched: list[tuple[str, str, str]] = []
        self.events: dict[str, list[tuple[str, dict[str, Any]]]] = {}

    async def pages(self, path: str, query: dict[str, str]) -> AsyncGenerator[dict[str, Any], None]:
        async for page in super().pages(path, query):
            yield {**page, "metadata": {"resourceVersion": "5"}}

    async def watch(self, path: str, query: dict[str, str]) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        plural = path.rsplit("/", 1)[1]
        self.watched.append((plural, query["resourceVersion"], query["timeoutSeconds"]))
        for event in self.events.get(plural, []):
            yield event


async def test_only_what_changed_is_read_again() -> None:
    state, api, versions = ClusterState(), Changing("a", "b"), dict[tuple[str, str], str]()
    await resync(api, state, (), versions=versions)  # type: ignore[arg-type]
    made = {"namespace": "ns", "name": "c", "uid": "c", "resourceVersion": "7"}
    api.events["mnisttrainings"] = [
        ("DELETED", {"metadata": {"namespace": "ns", "name": "a", "uid": "a", "resourceVersion": "6"}}),
        ("ADDED", {"metadata": made, "spec": {}}),
        ("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),
    ]
    job = {
        "namespace": "ns",
        "name": "b-1",
        "uid": "j",
        "resourceVersion": "8",
        "labels": {"mnist.training/training": "b"},
    }
    api.events["rayjobs"] = [("ADDED", {"metadata": job, "spec": {}})]
    listed = len(api.asked)
    found = await changes(api, state, (), versions)  # type: ignore[arg-type]
    assert found.keys == {("ns", "a"), ("ns", "b"), ("ns", "c")}
    assert sorted(state.trainings.keys()) == [("ns", "b"), ("ns", "c")]
    assert len(state.jobs.labelled("ns", "b")) == 1
    assert sorted(api.watched) == [(kind, "5", "1") for kind in ("mnisttrainings", "rayclusters", "rayjobs")]
    assert len(api.asked) == listed, "nothing is listed"
    await changes(api, state, (), versions)  # type: ignore[arg-type]
    assert sorted(version for _, version, _ in api.watched[3:]) == ["5", "8", "9"]


async def test_a_child_whose_label_was_taken_away_is_found_again_when_it_is_asked_for() -> None:
    """For a watch with a selector it is deleted, and it is there: it must not count as lost."""
    state, api, versions = ClusterState(), Changing("a"), dict[tuple[str, str], str]()
    await resync(api, state, (), versions=versions)  # type: ignore[arg-type]
    labels = {"mnist.training/training": "a"}
    metadata = {"namespace": "ns", "name": "a-1", "uid": "c", "resourceVersion": "6", "labels": labels}
    state.clusters.put({"metadata": metadata, "spec": {}})
    metadata = {**metadata, "resourceVersion": "7"}
    api.events["rayclusters"] = [("DELETED", {"metadata": metadata, "spec": {}})]
    assert ("ns", "a") in (await changes(api, state, (), versions)).keys  # type: ignore[arg-type]
    assert state.clusters.get("ns", "a-1") is None
    assert state.clusters.put({"metadata": metadata, "spec": {}})
    newer = {"metadata": {**metadata, "uid": "another", "resourceVersion": "8"}, "spec": {}}
    state.clusters.put(newer)
    await changes(api, state, (), versions)  # type: ignore[arg-type]
    assert state.clusters.uids() == {("ns", "a-1"): "another"}


async def test_a_kind_that_the_server_does_not_know_counts_as_empty() -> None:
    found = await resync(Api("a", others=UNKNOWN), ClusterState(), ())  # type: ignore[arg-type]
    assert found.unknown == {"RayCluster", "RayJob"}
    assert found.keys == {("ns", "a")}


async def test_a_refusal_ends_it() -> None:
    with pytest.raises(ApiError) as raised:
        await resync(Api("a", others=REFUSED), ClusterState(), ())  # type: ignore[arg-type]
    assert raised.value is REFUSED


async def test_pages_that_took_too_long_to_read_are_read_once_more() -> None:
    class Slow(Api):
        async def pages(self, path: str, query: dict[str, str]) -> AsyncGenerator[dict[str, Any], None]:
            async for page in super().pages(path, query):
                yield page
                if path.endswith("mnisttrainings"):
                    raise ApiError(410, "Expired", "the continue token is too old")

        async def list(self, path: str, query: dict[str, str]) -> dict[str, Any]:
            return {"items": [item async for page in super().pages(path, query) for item in page["items"]]}

    state = ClusterState()
    assert (await resync(Slow("a", "b", "c"), state, ())).keys == {("ns", "a"), ("ns", "b"), ("ns", "c")}  # type: ignore[arg-type]
    assert len(state.trainings) == 3
