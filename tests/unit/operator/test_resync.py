"""Filling the caches from an API server."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_kube.errors import ApiError
from mnist_operator.cache import ClusterState
from mnist_operator.controller import resync

REFUSED = ApiError(403, "Forbidden", "no")
UNKNOWN = ApiError(404, "NotFound", "no such kind")


class Api:
    """Has trainings of the given names, and nothing else; raises what it is told to for other kinds."""

    def __init__(self, *names: str, others: ApiError | None = None) -> None:
        self.names = names
        self.others = others
        self.asked: list[str] = []

    async def list(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        self.asked.append(path.rsplit("/", 1)[1])
        if not path.endswith("mnisttrainings"):
            assert query == {"labelSelector": "app.kubernetes.io/managed-by=mnist-operator"}
            if self.others:
                raise self.others
            return {"items": []}
        metadata = [{"namespace": "ns", "name": name, "uid": name, "resourceVersion": "1"} for name in self.names]
        return {"items": [{"metadata": item, "spec": {}} for item in metadata]}


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
        async def list(self, path: str, query: dict[str, str]) -> dict[str, Any]:
            answer = await super().list(path, query)
            if path.endswith("mnisttrainings"):
                state.trainings.remove("ns", "a", "a")
                anew = {"namespace": "ns", "name": "a", "uid": "another", "resourceVersion": "7"}
                state.trainings.put({"metadata": anew, "spec": {}})
            return answer

    found = await resync(Late(), state, ())  # type: ignore[arg-type]
    assert found.keys == {("ns", "a")}
    assert [obj["metadata"]["uid"] for obj in state.trainings.values()] == ["another"]


async def test_a_kind_that_the_server_does_not_know_counts_as_empty() -> None:
    found = await resync(Api("a", others=UNKNOWN), ClusterState(), ())  # type: ignore[arg-type]
    assert found.unknown == {"RayCluster", "RayJob"}
    assert found.keys == {("ns", "a")}


async def test_a_refusal_ends_it() -> None:
    with pytest.raises(ApiError) as raised:
        await resync(Api("a", others=REFUSED), ClusterState(), ())  # type: ignore[arg-type]
    assert raised.value is REFUSED
