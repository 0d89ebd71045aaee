"""The workers' processes: asked of Ray, made ready, replaced when lost. Knows nothing of training.

Each worker has a slot, which outlives its process: a slot whose worker is lost asks for another one, and waits longer
and longer where workers do not even become ready.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import ray

from mnist_trainer.backoff import Backoff
from mnist_trainer.workers.actor import TrainWorker

_IO_THREADS = 2
_RETRY_SECONDS, _RETRY_MAX_SECONDS = 1.0, 60.0


@dataclass(eq=False)
class Slot:
    """Room for one worker; `actor` is None while there is none, `preparing` while it is on its way.

    `host` is the name of the node where its latest worker was made ready.
    """

    number: int
    host: str = ""
    actor: Any = None
    preparing: Any = None
    retry_at: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(_RETRY_SECONDS, _RETRY_MAX_SECONDS))

    @property
    def ready(self) -> bool:
        return self.actor is not None and self.preparing is None


class WorkerPool:
    """`size` slots, spread over the nodes.

    An actor that Ray has no room for yet waits, and so tells Ray's autoscaler of the need. No placement group holds
    them together: Ray starts new processes in one, and leaves those alone that wait preloaded.
    """

    def __init__(self, size: int, gpus: float) -> None:
        self._resources = {"CPU": 1.0, **({"GPU": gpus} if gpus else {})}
        actor = ray.remote(concurrency_groups={"io": _IO_THREADS}, num_cpus=1, num_gpus=gpus)(TrainWorker)
        self._actors = actor.options(scheduling_strategy="SPREAD")
        self._slots = [Slot(number) for number in range(size)]

    def fill(self) -> None:
        """Ask Ray for a worker for each empty slot; returns at once."""
        for slot in self._slots:
            if slot.actor is None and time.monotonic() >= slot.retry_at:
                slot.actor = self._actors.remote()
                slot.preparing = slot.actor.prepare.remote()

    def refresh(self, wait: float) -> dict[int, str]:
        """Wait up to `wait` seconds for a worker to become ready; why some could not, by the number of their slot."""
        pending = {slot.preparing: slot for slot in self._slots if slot.preparing is not None}
        if not pending:
            time.sleep(wait)
            return {}
        failures = {}
        done, _ = ray.wait(list(pending), num_returns=1, timeout=wait)
        if done:
            done, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0)
        for reference in done:
            slot = pending[reference]
            try:
                slot.host = ray.get(reference)
            except Exception as error:  # noqa: BLE001  (lost on the way, or its imports fail)
                failures[slot.number] = summary(error)
                self.discard(slot)
            else:
                slot.preparing = None
                slot.backoff.reset()
        return failures

    def ready(self) -> list[Slot]:
        """The slots whose workers can train, in order."""
        return [slot for slot in self._slots if slot.ready]

    def discard(self, slot: Slot) -> None:
        """End the worker of a slot, if it lives; `fill` gets another one, after a while if that goes on."""
        ray.kill(slot.actor)
        if slot.preparing is not None:
            slot.retry_at = time.monotonic() + slot.backoff.next()
        slot.actor = slot.preparing = None

    def fits(self, workers: int) -> bool:
        """Whether the cluster, were it empty, has room for so many workers."""
        there = ray.cluster_resources()
        return all(there.get(name, 0) >= amount * workers for name, amount in self._resources.items())

    def release(self, seconds: float) -> None:
        """Let go of everything for a while."""
        for slot in self._slots:
            if slot.actor is not None:
                self.discard(slot)
            slot.retry_at = time.monotonic() + seconds


def summary(error: Exception) -> str:
    """The last line of what Ray says of an error: the cause, in at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
