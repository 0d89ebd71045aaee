"""A training and its pods side by side, kept up to date by two watches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from mnist_client.errors import TrainingDeleted
from mnist_client.state import FINAL
from mnist_client.watching import changes
from mnist_kube.client import KubeApi
from mnist_kube.objects import Object
from mnist_kube.resources import PODS, TRAININGS

_LABEL = "mnist.training/training"
_SUBMITTER = {"app.kubernetes.io/component": "submitter"}


class Scene:
    """A training and its pods, as the watches last told."""

    def __init__(self, api: KubeApi, training: Object) -> None:
        self.training = training
        self._api = api
        self._name, self._namespace = training["metadata"]["name"], training["metadata"]["namespace"]
        self._pods: dict[str, Object] = {}
        self._deleted = False
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def look(self) -> None:
        """See what pods there are now."""
        selector = {"labelSelector": f"{_LABEL}={self._name}"}
        found = await self._api.list(PODS.path(self._namespace), selector)
        self._pods = {pod["metadata"]["uid"]: pod for pod in found.get("items") or []}

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncGenerator[None, None]:
        """Keep up with the API server; the watches end with the block."""
        self._tasks = [asyncio.create_task(self._follow_training()), asyncio.create_task(self._follow_pods())]
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def change(self, seconds: float | None = None) -> None:
        """Wait until something is not as it was, at most so long.

        Raises TrainingDeleted, and ApiError where a watch is refused.
        """
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait([changed, *self._tasks], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        self._changed.clear()
        for task in self._tasks:
            if task.done():
                task.result()
        if self._deleted:
            raise TrainingDeleted(f"{self._name} was deleted")

    async def _follow_training(self) -> None:
        uid = self.training["metadata"]["uid"]
        async with contextlib.aclosing(changes(self._api, TRAININGS, self._namespace, self._name)) as seen:
            async for kind, training in seen:
                if training["metadata"]["uid"] == uid:
                    self.training, self._deleted = training, kind == "DELETED"
                    self._changed.set()

    async def _follow_pods(self) -> None:
        label = f"{_LABEL}={self._name}"
        async with contextlib.aclosing(changes(self._api, PODS, self._namespace, labels=label)) as seen:
            async for kind, pod in seen:
                if kind == "DELETED":
                    self._pods.pop(pod["metadata"]["uid"], None)
                else:
                    self._pods[pod["metadata"]["uid"]] = pod
                self._changed.set()

    # --- what it shows ------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Object:
        return self.training.get("status") or {}

    @property
    def latest(self) -> int:
        return int(self.status.get("attempt") or 0)

    @property
    def by_http(self) -> bool:
        return (self.training["spec"].get("submission") or {}).get("mode") == "HTTP"

    def rests_after(self, attempt: int) -> bool:
        """Whether the training is suspended, and that attempt was the last before: its pods go."""
        return self.status.get("phase") == "Suspended" and 0 < attempt == self.latest

    def is_over(self, attempt: int) -> bool:
        return self.status.get("phase") in FINAL or attempt < self.latest

    def runs(self, uid: str) -> bool:
        pod = self._pods.get(uid)
        return pod is not None and (pod.get("status") or {}).get("phase") == "Running"

    def submitter(self, attempt: int) -> Object | None:
        """The newest submitter pod of an attempt: its Job makes another one where the first was lost."""
        wanted = _SUBMITTER | {"ray.io/originated-from-cr-name": f"{self._name}-{attempt}"}
        pods = [pod for pod in self._pods.values() if wanted.items() <= (pod["metadata"].get("labels") or {}).items()]
        return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)

    async def head(self) -> Object | None:
        """The head's pod; one of a shared cluster has no label of this training, and is asked for."""
        name = (self.status.get("rayCluster") or {}).get("headPod")
        known = (pod for pod in self._pods.values() if pod["metadata"]["name"] == name)
        if not name or (found := next(known, None)) is not None:
            return found if name else None
        pod = await self._api.find(PODS.path(self._namespace, name))
        if pod is not None:
            self._pods[pod["metadata"]["uid"]] = pod
        return pod
