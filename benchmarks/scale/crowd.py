"""Many requests at once, and finished trainings that lie around: what `operator_scale.py` fills a cluster with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from tests.support import blocking

from benchmarks.scale.cluster import Scene
from mnist_kube.objects import Object
from mnist_operator.api.names import API_VERSION, KIND

T = TypeVar("T")
_AT_ONCE = 8
_BATCH = 200
_ENDED = "2026-01-01T00:00:00Z"


def in_batches(items: Iterable[T], do: Callable[[T], Awaitable[object]], show: Callable[[int], None]) -> None:
    """Call `do` for each item, several at a time; `show` is told how many are done."""
    rest, done = iter(items), 0
    while batch := list(islice(rest, _BATCH)):
        blocking.wait(_each(batch, do))
        done += len(batch)
        show(done)


async def _each(items: list[T], do: Callable[[T], Awaitable[object]]) -> None:
    waiting = iter(items)

    async def client() -> None:
        for item in waiting:
            await do(item)

    await asyncio.gather(*(client() for _ in range(_AT_ONCE)))


def finished_status(name: str) -> Object:
    """Return the status of a training that succeeded, as the operator and the trainer leave it."""
    prefix = f"s3://models/scale/{name}/5478d120-c655-440c-9e69-29de0585ae84"
    result = {
        "model": f"{prefix}/model.safetensors",
        "sha256": "0" * 64,
        "accuracy": 0.9912,
        "report": f"{prefix}/report.html",
        "metrics": f"{prefix}/metrics.json",
        "manifest": f"{prefix}/manifest.json",
        "trainSeconds": 61.5,
    }
    conditions = [
        {
            "type": kind,
            "status": status,
            "observedGeneration": 1,
            "lastTransitionTime": _ENDED,
            "reason": "Succeeded",
            "message": "Trained with 99.12% accuracy on the test images",
        }
        for kind, status in (
            ("Accepted", "True"),
            ("ClusterReady", "True"),
            ("JobRunning", "False"),
            ("Complete", "True"),
        )
    ]
    report = {"attempt": 1, "runId": "a" * 32, "state": "Succeeded", "epoch": 5, "epochs": 5, "progressPercent": 100}
    return {
        "observedGeneration": 1,
        "phase": "Succeeded",
        "reason": "Succeeded",
        "message": "Trained with 99.12% accuracy on the test images",
        "conditions": conditions,
        "attempt": 1,
        "failures": 0,
        "restarts": 0,
        "rayCluster": {"name": f"{name}-bcdfg", "state": "ready", "workers": "2/2"},
        "rayJob": {"name": f"{name}-1", "jobId": f"{name}-1-xyz12"},
        "training": {**report, "loss": 0.51, "accuracy": 0.9912, "updatedAt": _ENDED, "result": result},
        "result": result,
        "startTime": _ENDED,
        "completionTime": _ENDED,
    }


def lay_finished(scene: Scene, number: int, show: Callable[[int], None]) -> None:
    """Make so many trainings that have succeeded, without children: KubeRay and people cleaned up."""
    api = scene.cluster.api

    async def make(name: str) -> None:
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": {}}
        await api.create(scene.trainings, body)
        await api.patch(f"{scene.trainings}/{name}/status", {"status": finished_status(name)})

    def names() -> Iterator[str]:
        return (f"finished-{index:05}" for index in range(number))

    in_batches(names(), make, show)
