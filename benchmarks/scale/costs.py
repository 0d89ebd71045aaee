"""What one request of each kind costs the API server: CPU time of its processes, divided by the requests."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from benchmarks.scale.cluster import Scene
from benchmarks.scale.crowd import finished_status, in_batches
from benchmarks.scale.server import ServerCpu
from mnist_kube.objects import Object
from mnist_kube.resources import CORE_EVENTS, collection_of
from mnist_operator.api.names import API_VERSION, KIND
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.children import support
from mnist_operator.children.cluster import ray_cluster
from mnist_operator.children.training import Installation, Training

_IGNORE = {"fieldValidation": "Ignore"}
_SECRET = {"AWS_ACCESS_KEY_ID": "eA==", "AWS_SECRET_ACCESS_KEY": "eA=="}


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds for one request of a kind, by process."""

    kind: str
    milliseconds: dict[str, float]


def request_costs(scene: Scene, cpu: ServerCpu, number: int) -> Iterator[Cost]:
    """Yield the cost of each kind of request, sent `number` times, eight at a time."""
    api = scene.cluster.api
    # Owned by nobody, so that the garbage collector leaves them alone.
    training = Training("cost", scene.namespace, "5478d120-c655-440c-9e69-29de0585ae84", MnistTrainingSpec())
    cluster = ray_cluster(training, "cost", Installation())
    bare = {**cluster, "spec": _bare(cluster["spec"])}
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "cost"}, "spec": {}}
    floor = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cost", "namespace": scene.namespace}}

    def creating(manifest: Object, path: str) -> Callable[[int], Awaitable[object]]:
        async def create(index: int) -> None:
            made = copy.copy(manifest)
            made["metadata"] = {**manifest["metadata"], "name": f"cost-{manifest['kind'].lower()}-{index:05}"}
            made["metadata"].pop("ownerReferences", None)
            await api.request("POST", path, made, query=_IGNORE)

        return create

    async def report(index: int) -> None:
        status = {"status": {**finished_status("cost"), "message": f"look {index}"}}
        await api.patch(f"{scene.trainings}/cost-mnisttraining-{index:05}/status", status, query=_IGNORE)

    async def change(index: int) -> None:
        status = {"status": {"message": f"look again {index}"}}
        await api.patch(f"{scene.trainings}/cost-mnisttraining-{index:05}/status", status, query=_IGNORE)

    support_objects = [
        support.service_accounts(training)[0],
        support.trainer_role(training),
        support.trainer_role_binding(training),
        support.storage_secret(training, _SECRET),
    ]
    yield _cost("create a ConfigMap (the floor)", cpu, number, creating(floor, collection_of(floor)))
    yield _cost("create a MnistTraining", cpu, number, creating(body, scene.trainings))
    yield _cost("update the whole status of a MnistTraining", cpu, number, report)
    yield _cost("update one field of that status", cpu, number, change)
    for manifest in support_objects:
        yield _cost(f"create a {manifest['kind']}", cpu, number, creating(manifest, collection_of(manifest)))
    yield _cost("create an event", cpu, number, creating(_event(scene), CORE_EVENTS.path(scene.namespace)))
    renamed = {**bare, "metadata": {**bare["metadata"], "labels": {"app.kubernetes.io/managed-by": "nobody"}}}
    yield _cost("create a RayCluster with two bare containers", cpu, number, creating(renamed, collection_of(renamed)))
    named = {**cluster, "kind": "RayCluster"}

    async def ours(index: int) -> None:
        made = {**named, "metadata": {**named["metadata"], "name": f"ours-{index:05}"}}
        made["metadata"].pop("ownerReferences", None)
        await api.request("POST", collection_of(named), made, query=_IGNORE)

    yield _cost("create our RayCluster", cpu, number, ours)


def _cost(kind: str, cpu: ServerCpu, number: int, send: Callable[[int], Awaitable[object]]) -> Cost:
    before = cpu.seconds()
    in_batches(range(number), send, lambda done: None)
    after = cpu.seconds()
    return Cost(kind, {name: 1000 * (after[name] - used) / number for name, used in before.items()})


def _bare(spec: Object) -> Object:
    """Return a RayCluster's spec with nothing but two containers, as KubeRay's own load tests have it."""

    def template(name: str) -> Object:
        return {"spec": {"containers": [{"name": name, "image": "ray"}]}}

    head = {"rayStartParams": {}, "template": template("ray-head")}
    workers = {
        "groupName": "workers",
        "replicas": 1,
        "minReplicas": 1,
        "maxReplicas": 1,
        "rayStartParams": {},
        "template": template("ray-worker"),
    }
    return {"rayVersion": spec["rayVersion"], "headGroupSpec": head, "workerGroupSpecs": [workers]}


def _event(scene: Scene) -> Object:
    about = {"apiVersion": API_VERSION, "kind": KIND, "namespace": scene.namespace, "name": "cost", "uid": "u"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "cost", "namespace": scene.namespace},
        "involvedObject": about,
        "type": "Normal",
        "reason": "Running",
        "message": "Training on 2 workers",
        "source": {"component": "mnist-operator"},
        "count": 1,
    }
