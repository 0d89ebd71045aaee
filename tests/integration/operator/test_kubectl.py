"""What `kubectl` shows of a training, and what it may do with one: the real kubectl."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.operator.conftest import Scene
from tests.support.cluster import Cluster
from tests.support.wait import wait_for

from mnist_kube.objects import Object
from mnist_operator.children.training import training_of
from mnist_operator.lifecycle.decision import Event
from mnist_operator.owned import TrainingEvents

EVENTS = "/api/v1/namespaces/{}/events"


@pytest.fixture
def cluster(server: Path) -> Iterator[Cluster]:
    connected = Cluster.connect(server)
    yield connected
    connected.close()


def described(cluster: Cluster, namespace: str) -> list[str]:
    """The reasons of a training's events, as `kubectl describe` lists them."""
    page = cluster.kubectl("describe", "mt", "mnist", "-n", namespace).stdout
    lines = page.split("\nEvents:", 1)[1].strip().splitlines()[2:]
    return [line.split()[1] for line in lines]


def test_events_are_told_in_their_order(brisk: Scene, cluster: Cluster) -> None:
    old = "2020-01-01T00:00:00Z"
    brisk.kube.create(
        EVENTS.format(brisk.namespace),
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "zzz"},
            "involvedObject": {"kind": "Pod", "name": "other", "namespace": brisk.namespace},
            "reason": "Older",
            "firstTimestamp": old,
            "lastTimestamp": old,
        },
    )
    brisk.apply()
    brisk.walk_to_running()
    brisk.kuberay.seal("mnist")
    brisk.kuberay.job_ends("mnist-1", well=True)
    brisk.wait_status(phase="Succeeded")
    wait_for(lambda: brisk.events()[-1:] == ["Succeeded"], "the last event")
    said = brisk.events()
    assert described(cluster, brisk.namespace) == said
    columns = "custom-columns=R:.reason,COUNT:.count,FROM:.source.component"
    listed = cluster.kubectl("get", "events", "-n", brisk.namespace, "--sort-by=.lastTimestamp", "-o", columns).stdout
    rows = [line.split() for line in listed.splitlines()[1:]]
    assert [row[0] for row in rows] == ["Older", *said]
    assert rows[-1][1:] == ["1", "mnist-operator"]


class Posting:
    """The API as the recorder knows it; what it creates is kept."""

    def __init__(self) -> None:
        self.bodies: list[Object] = []

    async def create(self, path: str, body: Object, **_: Any) -> Object:
        self.bodies.append(body)
        return body


def test_many_events_of_one_second_keep_their_order(scene: Scene, cluster: Cluster) -> None:
    training, api = training_of(scene.apply()), Posting()
    recorder = TrainingEvents(api)  # type: ignore[arg-type]
    reasons = [f"R{number}" for number in range(40)]
    for reason in reasons:
        asyncio.run(recorder.record(training, Event(reason, "One of many."), "1"))
    for body in reversed(api.bodies):  # told by their names and times, not by when they came
        scene.kube.create(EVENTS.format(scene.namespace), body)
    told = described(cluster, scene.namespace)
    assert [reason for reason in told if reason in reasons] == reasons  # the module's operator has its say, too


def test_kubectl_scale_changes_the_number_of_workers(brisk: Scene, cluster: Cluster) -> None:
    brisk.apply()
    brisk.walk_to_running()
    brisk.kuberay.report("mnist", state="Training", workers=2)
    scale = cluster.kubectl("get", "mt", "mnist", "-n", brisk.namespace, "--subresource=scale", "-o", "json").stdout
    assert '"replicas": 2' in scale
    cluster.kubectl("scale", "mt", "mnist", "-n", brisk.namespace, "--replicas=4")
    status = brisk.wait_status(attempt=2)
    assert status["lastFailure"]["reason"] == "Rescaled"
    assert brisk.wait_cluster(attempt=2)["spec"]["workerGroupSpecs"][0]["replicas"] == 4


def test_kubectl_scale_keeps_the_rules(brisk: Scene, cluster: Cluster) -> None:
    brisk.apply(spec={"workers": {"replicas": 3, "minReplicas": 2}})
    refused = cluster.kubectl("scale", "mt", "mnist", "-n", brisk.namespace, "--replicas=1", check=False)
    assert "minReplicas must not be greater than replicas" in refused.stderr
