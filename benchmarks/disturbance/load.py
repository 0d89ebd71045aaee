"""Trainings, always as many at once, and what has to come of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import PODS, RAYCLUSTERS, RAYJOBS, SECRETS, TRAININGS

NAMESPACE = "default"
_OWNED = "mnist.training/training"
_CHILDREN = (RAYCLUSTERS, RAYJOBS, SECRETS)
_FAILING_EVERY = 4
_POLL_S = 0.5
Object = dict[str, Any]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Expected:
    """The end that a training must reach: a model of that digest, or a failure for that reason."""

    phase: str
    reason: str = ""
    sha256: str = ""
    accuracy: float = 0.0

    def differs(self, status: Object) -> str:
        """Return what is not as it must be, or nothing."""
        if status.get("phase") != self.phase:
            return f"{status.get('phase')} ({status.get('reason')}: {status.get('message')}) instead of {self.phase}"
        if self.reason and status.get("reason") != self.reason:
            return f"failed for {status.get('reason')} instead of {self.reason}"
        result = status.get("result") or {}
        if self.sha256 and result.get("sha256") != self.sha256:
            return f"another model than an undisturbed run's: accuracy {result.get('accuracy')}, not {self.accuracy}"
        return ""


@dataclass
class Ended:
    """A training that has ended, at `begun` and `ended` seconds of the run; `problem` is empty if it ended right."""

    name: str
    begun: float
    ended: float
    problem: str
    status: Object = field(repr=False)


def manifest(name: str, epochs: int, dataset: str = "s3://datasets/digits") -> Object:
    """Return a training of two workers that may fail often: chaos is not what backoffLimit counts."""
    return {
        "apiVersion": TRAININGS.api_version,
        "kind": TRAININGS.kind,
        "metadata": {"name": name},
        "spec": {
            "training": {"epochs": epochs},
            "workers": {"replicas": 2},
            "storage": {"dataset": dataset, "output": "s3://models"},
            "runPolicy": {"backoffLimit": 20},
        },
    }


class Load:
    """Applies trainings, follows each to its end, and deletes it."""

    def __init__(self, api: KubeApi, epochs: int, clock: Callable[[], float], tell: Tell) -> None:
        self._api = api
        self._epochs = epochs
        self._clock = clock
        self._tell = tell
        self._count = 0
        self.expected = Expected("Succeeded")
        self.ended: list[Ended] = []
        self.states: dict[str, str] = {}
        """What each training that runs is doing, for the progress line."""

    async def reference(self) -> Ended:
        """Run a training that nobody disturbs: later ones must come to the same."""
        ended = await self._one("undisturbed", manifest("undisturbed", self._epochs), Expected("Succeeded"))
        if not ended.problem:
            result = ended.status["result"]
            self.expected = Expected("Succeeded", sha256=result["sha256"], accuracy=result["accuracy"])
        return ended

    async def keep_busy(self, at_once: int, until: float) -> None:
        """Have so many trainings going until a moment of the run, then wait for the last of them."""
        await asyncio.gather(*(self._lane(until) for _ in range(at_once)))

    async def _lane(self, until: float) -> None:
        while self._clock() < until:
            self._count += 1
            name = f"chaos-{self._count:02d}"
            if self._count % _FAILING_EVERY:
                body, expected = manifest(name, self._epochs), self.expected
            else:
                body = manifest(name, self._epochs, "s3://datasets/nothing-there")
                expected = Expected("Failed", "DatasetNotFound")
            self.ended.append(await self._one(name, body, expected))

    async def _one(self, name: str, body: Object, expected: Expected) -> Ended:
        begun = self._clock()
        await self._insist("POST", TRAININGS.path(NAMESPACE), body)
        path = TRAININGS.path(NAMESPACE, name)
        status: Object = {}
        while status.get("phase") not in {"Succeeded", "Failed"}:
            await asyncio.sleep(_POLL_S)
            status = ((await self._insist("GET", path)) or {}).get("status") or {}
            self.states[name] = _state(status)
        self.states.pop(name, None)
        ended = Ended(name, begun, self._clock(), expected.differs(status), status)
        verdict = f"WRONG: {ended.problem}" if ended.problem else f"{status['phase']}, as it must"
        self._tell(f"{name}: {verdict} ({_state(status)}; {ended.ended - begun:.0f} s)")
        await self._insist("DELETE", path)
        return ended

    async def leftovers(self, patience: float) -> list[str]:
        """Return the children and pods that are still there when all trainings are deleted, after some patience."""
        end = self._clock() + patience
        while left := await self._children():
            if self._clock() > end:
                break
            await asyncio.sleep(_POLL_S)
        return left

    async def _children(self) -> list[str]:
        left = []
        for resource in _CHILDREN:
            found = await self._insist("GET", resource.path(NAMESPACE), query={"labelSelector": _OWNED})
            left += [f"{resource.kind} {item['metadata']['name']}" for item in (found or {}).get("items") or []]
        pods = await self._insist("GET", PODS.path(NAMESPACE))
        return left + [f"Pod {item['metadata']['name']}" for item in (pods or {}).get("items") or []]

    async def _insist(
        self, method: str, path: str, body: Object | None = None, query: dict[str, str] | None = None
    ) -> Object | None:
        """Ask until the API answers; what is there already, or gone already, is as good as done."""
        while True:
            try:
                return await self._api.request(method, path, body, query=query)
            except ApiError as error:
                if error.not_found or error.already_exists:
                    return None
                if not error.may_pass:
                    raise
            await asyncio.sleep(_POLL_S)


def _state(status: Object) -> str:
    training = status.get("training") or {}
    text = f"{status.get('phase', 'Pending')}, attempt {status.get('attempt', 0)}"
    if status.get("restarts"):
        text += f", {status['restarts']} restart(s)"
    if training.get("epoch") is not None:
        text += f", epoch {training['epoch']}/{training.get('epochs')}"
    return text
