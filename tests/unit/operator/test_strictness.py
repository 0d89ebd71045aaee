"""When the API server is asked to refuse fields that it does not know: where a user's or an old KubeRay's may be."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.test_children import INSTALLATION, training

from mnist_kube.objects import Object
from mnist_operator.cache import ClusterState
from mnist_operator.children.cluster import ray_cluster
from mnist_operator.children.job import ray_job
from mnist_operator.children.training import Training
from mnist_operator.memory import Memories
from mnist_operator.owned import ObstructedError, OwnedObjects, TrainingEvents


class Api:
    """Takes everything, less the parts of a spec that its schema does not have."""

    def __init__(self) -> None:
        self.strict: list[bool] = []
        self.deleted: list[str] = []
        self.unknown: set[str] = set()

    async def create(self, path: str, body: Object, *, strict: bool = False) -> Object:
        self.strict.append(strict)
        metadata = {**body["metadata"], "uid": f"uid-{len(self.strict)}", "resourceVersion": str(len(self.strict))}
        return {**body, "metadata": metadata, "spec": {k: v for k, v in body["spec"].items() if k not in self.unknown}}

    async def delete(self, path: str, uid: str, *, missing_ok: bool) -> Object:
        self.deleted.append(uid)
        return {}


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def owned(api: Api) -> OwnedObjects:
    events = TrainingEvents(api)  # type: ignore[arg-type]
    return OwnedObjects(api, ClusterState(), Memories(), events)  # type: ignore[arg-type]


async def make(owned: OwnedObjects, name: str, spec: dict[str, Any] | None = None) -> None:
    of: Training = training(spec)
    await owned.create(of, ray_cluster(of, name, INSTALLATION))


async def test_the_first_of_each_kind_is_strict_for_its_crd_may_be_an_old_one(api: Api, owned: OwnedObjects) -> None:
    await make(owned, "a")
    await make(owned, "b")
    await owned.create(training(), ray_job(training(), 1, "a", INSTALLATION))
    assert api.strict == [True, False, True]


async def test_what_a_user_wrote_into_a_template_is_always_strict(api: Api, owned: OwnedObjects) -> None:
    await make(owned, "a")
    for number, place in enumerate(("head", "workers")):
        await make(owned, f"b{number}", {place: {"template": {"spec": {"nodeSelektor": {}}}}})
    spot = {"name": "spot", "template": {"spec": {"nodeSelector": {"a": "b"}}}}
    await make(owned, "c", {"workers": {"additionalGroups": [spot]}})
    assert api.strict == [True, True, True, True]


async def test_a_crd_that_lost_a_field_meanwhile_leaves_no_cluster_without_it(api: Api, owned: OwnedObjects) -> None:
    await make(owned, "a")
    api.unknown = {"authOptions"}
    with pytest.raises(ObstructedError, match=r"does not know spec\.authOptions"):
        await make(owned, "b")
    assert api.deleted == ["uid-2"]
    await make(owned, "c")
    assert api.strict == [True, False, True], "so that the server tells what it does not know"
