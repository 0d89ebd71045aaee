"""The workers' processes: asked of Ray, made ready, replaced when lost. Knows nothing of training."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from mnist_trainer.raytrain.actor import TrainWorker

_IO_THREADS = 2
_RETRY_FIRST, _RETRY_MOST = 1.0, 60.0


@dataclass(eq=False)
class Slot:
    """Room for one worker; `actor` is None while there is none, `preparing` while it is on its way."""

    number: int
    actor: Any = None
    preparing: Any = None
    retry_at: float = 0.0
    wait: float = field(default=_RETRY_FIRST)

    @property
    def ready(self) -> bool:
        """Whether its worker can train."""
        return self.actor is not None and self.preparing is None


class WorkerPool:
    """`most` slots. The first `least` are one placement group: a training that cannot have them takes none of them.

    An actor that Ray has no room for yet waits, and so tells Ray's autoscaler of the need.
    """

    def __init__(self, least: int, most: int, gpus: float) -> None:
        resources = {"CPU": 1.0, **({"GPU": gpus} if gpus else {})}
        self._gang: PlacementGroup | None = placement_group([resources] * least, "SPREAD") if least > 1 else None
        self._least = least
        self._actors = ray.remote(concurrency_groups={"io": _IO_THREADS}, num_cpus=1, num_gpus=gpus)(TrainWorker)
        self._slots = [Slot(number) for number in range(most)]

    def fill(self) -> None:
        """Ask Ray for a worker for each empty slot; returns at once."""
        for slot in self._slots:
            if slot.actor is None and time.monotonic() >= slot.retry_at:
                slot.actor = self._actors.options(scheduling_strategy=self._strategy(slot)).remote()
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
                ray.get(reference)
            except Exception as error:  # noqa: BLE001  (lost on the way, or its imports fail)
                failures[slot.number] = summary(error)
                self.discard(slot)
            else:
                slot.preparing, slot.wait = None, _RETRY_FIRST
        return failures

    def ready(self) -> list[Slot]:
        """The slots whose workers can train, in order."""
        return [slot for slot in self._slots if slot.ready]

    def discard(self, slot: Slot) -> None:
        """End the worker of a slot, if it lives; `fill` gets another one, after a while if that goes on."""
        ray.kill(slot.actor)
        if slot.preparing is not None:
            slot.retry_at, slot.wait = time.monotonic() + slot.wait, min(_RETRY_MOST, slot.wait * 2)
        slot.actor = slot.preparing = None

    def _strategy(self, slot: Slot) -> Any:
        if self._gang is not None and slot.number < self._least:
            return PlacementGroupSchedulingStrategy(self._gang, placement_group_bundle_index=slot.number)
        return "SPREAD"


def summary(error: Exception) -> str:
    """The last line of what Ray says of an error: the cause, in at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
