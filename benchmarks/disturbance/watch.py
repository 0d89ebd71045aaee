"""What must hold all the time: of one training, one attempt at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from benchmarks.disturbance import processes
from benchmarks.disturbance.load import NAMESPACE
from benchmarks.disturbance.processes import Trainer
from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import RAYJOBS
from mnist_local.stack.layout import Layout

_OVER = {"Complete", "Failed", "ValidationFailed"}
_LOOK_S = 0.4


class Ledger:
    """What was seen of RayJobs and trainers, and what of it must not be. Pure."""

    def __init__(self) -> None:
        self._jobs: dict[str, str] = {}
        self._running: set[tuple[str, str]] = set()
        self.violations: list[str] = []
        self.most_trainers = 0

    def jobs(self, items: Iterable[dict[str, Any]]) -> None:
        """Take note of all RayJobs that there are at a time."""
        alive: dict[str, list[str]] = {}
        for item in items:
            metadata = item["metadata"]
            uid = next((r["uid"] for r in metadata.get("ownerReferences") or () if r.get("controller")), "")
            key = f"{uid}/{metadata['name']}"
            if self._jobs.setdefault(key, metadata["uid"]) != metadata["uid"]:
                self._jobs[key] = metadata["uid"]
                self.violations.append(f"RayJob {metadata['name']} was made twice")
            if (item.get("status") or {}).get("jobDeploymentStatus") not in _OVER:
                alive.setdefault(uid, []).append(metadata["name"])
        for names in alive.values():
            if len(names) > 1:
                self._note(f"RayJobs at once: {', '.join(sorted(names))}")

    def trainers(self, found: Iterable[Trainer]) -> None:
        """Take note of all trainers' processes that there are at a time."""
        alive: dict[str, list[Trainer]] = {}
        for trainer in found:
            alive.setdefault(trainer.uid, []).append(trainer)
        for uid, them in alive.items():
            self.most_trainers = max(self.most_trainers, len(them))
            if len(them) > 1:
                attempts = ", ".join(str(attempt) for attempt in sorted(trainer.attempt for trainer in them))
                self._note(f"trainers of {uid} at once, of attempts {attempts}")

    def _note(self, violation: str) -> None:
        if violation not in self.violations:
            self.violations.append(violation)


class Watch:
    """Looks again and again, for a ledger."""

    def __init__(self, api: KubeApi, layout: Layout) -> None:
        self._api = api
        self._layout = layout
        self.ledger = Ledger()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                async with asyncio.timeout(5):
                    self.ledger.jobs((await self._api.list(RAYJOBS.path(NAMESPACE))).get("items") or [])
            except (ApiError, TimeoutError):
                pass  # it is down: that is what this is about
            self.ledger.trainers(await asyncio.to_thread(self._trainers))
            await asyncio.sleep(_LOOK_S)

    def _trainers(self) -> list[Trainer]:
        found = (processes.trainer_of(process) for process in processes.of_pods(self._layout.kuberay))
        return [trainer for trainer in found if trainer is not None]
