"""One reconcile against an API that is a dictionary: what is asked for, done and written, and in which order."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.times import timestamp
from mnist_operator.cache import ClusterState
from mnist_operator.children.training import Installation
from mnist_operator.lifecycle.observed import Policy
from mnist_operator.reconcile import NotDoneError, Reconciler

NAMESPACE = "/namespaces/ns"
TRAINING = f"/apis/mnist.training/v1alpha1{NAMESPACE}/mnisttrainings/mnist"
CLUSTERS = f"/apis/ray.io/v1{NAMESPACE}/rayclusters"
JOBS = f"/apis/ray.io/v1{NAMESPACE}/rayjobs"
KEY = ("ns", "mnist")
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Api:
    """Objects by path. `requests` has what was asked for, in order; `refuse` has what is refused."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.requests: list[str] = []
        self.refuse: dict[str, ApiError] = {}
        self.version = 0

    def put(self, path: str, obj: Object) -> Object:
        self.version += 1
        obj = copy.deepcopy(obj)
        obj["metadata"] |= {"resourceVersion": str(self.version)}
        obj["metadata"].setdefault("uid", f"uid-{path}")
        obj["metadata"].setdefault("generation", 1)
        self.objects[path] = obj
        return copy.deepcopy(obj)

    def asked(self, verb: str, path: str) -> None:
        self.requests.append(f"{verb} {path.removeprefix(NAMESPACE)}")
        for part, error in self.refuse.items():
            if part in f"{verb} {path}":
                raise error

    async def find(self, path: str) -> Object | None:
        self.asked("GET", path)
        return copy.deepcopy(self.objects.get(path))

    async def get(self, path: str, query: Any = None) -> Object:
        found = await self.find(path)
        if found is None:
            raise ApiError(404, "NotFound", "no")
        return found

    async def create(self, path: str, body: Object, *, strict: bool = False) -> Object:
        self.asked("POST", path)
        return self.put(f"{path}/{body['metadata']['name']}", body)

    async def patch(self, path: str, body: Object, content_type: str = "") -> Object:
        self.asked("PATCH", path)
        obj = self.objects[path.removesuffix("/status")]
        if body["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "changed meanwhile")
        return self.put(
            path.removesuffix("/status"), {**obj, "status": merged(obj.get("status") or {}, body["status"])}
        )

    async def delete(self, path: str, uid: str, propagation: str, *, missing_ok: bool) -> Object:
        self.asked("DELETE", path)
        self.objects.pop(path, None)
        return {}

    def written(self) -> list[str]:
        return [request for request in self.requests if "PATCH" in request and request.endswith("/status")]


def merged(old: Object, changes: Object) -> Object:
    new = dict(old)
    for key, value in changes.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = merged(new.get(key) or {}, value) if isinstance(value, dict) else value
    return new


class Scene:
    """A training, the operator's caches, and a clock."""

    def __init__(self, spec: Object | None = None, installation: Installation | None = None) -> None:
        self.api, self.state, self.now = Api(), ClusterState(), START
        secret = {"AWS_ACCESS_KEY_ID": "eA==", "AWS_SECRET_ACCESS_KEY": "eA=="}
        self.api.put(f"/api/v1{NAMESPACE}/secrets/minio-credentials", {"metadata": {}, "data": secret})
        metadata = {"name": "mnist", "namespace": "ns", "creationTimestamp": timestamp(START)}
        self.watch(self.api.put(TRAINING, {"metadata": metadata, "spec": spec or {}}))
        self.reconciler = Reconciler(
            self.api,  # type: ignore[arg-type]
            self.state,
            installation or Installation(),
            clock=lambda: self.now,
            policy=Policy(silent_after=300.0),
        )

    def watch(self, obj: Object) -> None:
        """The watch shows a version of the training."""
        self.state.trainings.put(obj)

    async def reconcile(self) -> float | None:
        return await self.reconciler.reconcile(KEY)

    @property
    def status(self) -> Object:
        status: Object = self.api.objects[TRAINING].get("status") or {}
        return status

    def report(self, **fields: Any) -> Object:
        """The trainer writes its report; the watch has not shown it yet."""
        training = self.api.objects[TRAINING]
        value = {"attempt": 1, "runId": "r", "state": "Training", "updatedAt": timestamp(self.now), **fields}
        return self.api.put(TRAINING, {**training, "status": {**training["status"], "training": value}})

    async def run_until_training(self) -> None:
        await self.reconcile()
        (path,) = (path for path in self.api.objects if path.startswith(CLUSTERS))
        status = {
            "state": "ready",
            "conditions": [{"type": "HeadPodReady", "status": "True"}],
            "head": {"podName": "head"},
            "readyWorkerReplicas": 2,
            "desiredWorkerReplicas": 2,
        }
        self.state.clusters.put(self.api.put(path, {**self.api.objects[path], "status": status}))
        await self.reconcile()
        job = self.api.objects[f"{JOBS}/mnist-1"]
        status = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING", "jobId": "j"}
        self.state.jobs.put(self.api.put(f"{JOBS}/mnist-1", {**job, "status": status}))
        self.watch(self.report())
        await self.reconcile()
        assert self.status["phase"] == "Running"
        self.api.requests.clear()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_attempt_is_written_before_anything_of_it_exists(scene: Scene) -> None:
    await scene.reconcile()
    writes = [request for request in scene.api.requests if not request.startswith("GET")]
    assert writes[0] == f"PATCH {TRAINING}/status"
    assert writes.index(f"PATCH {TRAINING}/status") < writes.index(f"POST {CLUSTERS}")


async def test_a_look_at_what_has_not_changed_asks_for_nothing(scene: Scene) -> None:
    await scene.run_until_training()
    assert await scene.reconcile() is not None
    assert scene.api.requests == []


async def test_silence_is_checked_at_the_api_before_it_is_told(scene: Scene) -> None:
    await scene.run_until_training()
    scene.now += timedelta(seconds=400)
    scene.report(epoch=1)  # the watch hangs
    await scene.reconcile()
    assert scene.api.requests == [f"GET {TRAINING}"]
    assert scene.status["reason"] == "Running"


async def test_a_trainer_that_is_silent_at_the_api_too_is_told_and_then_lost(scene: Scene) -> None:
    await scene.run_until_training()
    for reason in ("TrainerSilent", "Retrying"):
        scene.now += timedelta(seconds=400)
        scene.api.requests.clear()
        await scene.reconcile()
        assert scene.api.requests[0] == f"GET {TRAINING}"
        assert scene.status["reason"] == reason


async def test_an_obstacle_is_told_once_and_tried_again(scene: Scene) -> None:
    scene.api.refuse["POST /apis/ray.io"] = ApiError(403, "Forbidden", "exceeded quota: small")
    for _ in range(3):
        with pytest.raises(NotDoneError, match="no room"):
            await scene.reconcile()
    assert (scene.status["phase"], scene.status["reason"]) == ("Pending", "QuotaExceeded")
    assert len(scene.api.written()) == 2, "the attempt, and the obstacle"
    scene.api.refuse.clear()
    await scene.reconcile()
    assert [path for path in scene.api.objects if path.startswith(CLUSTERS)]


async def test_a_status_is_never_written_over_another_version_than_was_decided_on(scene: Scene) -> None:
    stale = copy.deepcopy(scene.api.objects[TRAINING])
    changed = {"metadata": {**stale["metadata"], "generation": 2}, "spec": {"runPolicy": {"suspend": True}}}
    scene.api.put(TRAINING, changed)
    await scene.reconcile()  # the cache has the version before
    assert scene.status["phase"] == "Suspended"
    assert len(scene.api.written()) == 2, "the first was refused"
    assert not [path for path in scene.api.objects if path.startswith(CLUSTERS)]


async def test_a_training_that_is_gone_is_left_alone(scene: Scene) -> None:
    scene.api.refuse["PATCH"] = ApiError(404, "NotFound", "gone")
    assert await scene.reconcile() is None
    assert scene.state.trainings.get(*KEY) is None


@pytest.mark.parametrize(("ray", "fits"), [("2.61.0", True), ("2.60.0", False)])
async def test_without_spec_ray_a_shared_cluster_must_run_the_ray_of_the_default_image(ray: str, fits: bool) -> None:
    scene = Scene({"clusterRef": {"name": "shared"}}, Installation(trainer_ray_version="2.61.0"))
    status = {"state": "ready", "conditions": [{"type": "HeadPodReady", "status": "True"}]}
    scene.api.put(
        f"{CLUSTERS}/shared",
        {"metadata": {"name": "shared", "namespace": "ns"}, "spec": {"rayVersion": ray}, "status": status},
    )
    await scene.reconcile()
    assert (scene.status["reason"] != "ClusterUnfit", f"{JOBS}/mnist-1" in scene.api.objects) == (fits, fits)


async def test_a_change_of_a_finished_training_is_seen_once_and_it_rests_again(scene: Scene) -> None:
    await scene.run_until_training()
    scene.watch(scene.report(state="Succeeded", result={"sha256": "a" * 64}))
    await scene.reconcile()
    for cache, path in ((scene.state.jobs, f"{JOBS}/mnist-1"), (scene.state.clusters, CLUSTERS)):
        for found in [obj for key, obj in scene.api.objects.items() if key.startswith(path)]:
            cache.remove("ns", found["metadata"]["name"])
    assert scene.state.rests(*KEY)
    ended = dict(scene.status)
    training = scene.api.objects[TRAINING]
    training["metadata"]["generation"] = 2
    scene.watch(scene.api.put(TRAINING, {**training, "spec": {"runPolicy": {"backoffLimit": 1}}}))
    scene.api.requests.clear()
    await scene.reconcile()
    assert scene.status == {**ended, "observedGeneration": 2}, "or Argo CD and Flux would wait for ever"
    await scene.reconcile()
    assert len(scene.api.written()) == 1
    assert scene.state.rests(*KEY)
