"""An actor between driver and workers: inputs one way, messages the other, and the latest state for later workers.

It exists because Ray Train replaces lost workers without asking the driver: new workers find here what they need.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from mnist_trainer.plan import TrainingPlan
from mnist_trainer.raytrain.messages import EpochFinished, Message, Progressed, WorkersLost


@dataclass(frozen=True)
class WorkerInputs:
    """What every worker needs. `dataset` is a list holding one object reference (so that Ray does not resolve it)."""

    dataset: list[Any]
    plan: TrainingPlan
    state: bytes | None


class Coordinator:
    """All methods run on one event loop. Each group of workers has a number; what an older group says is dropped."""

    def __init__(self) -> None:
        self._inputs: asyncio.Future[WorkerInputs] = asyncio.get_event_loop().create_future()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._group = 0
        self._state: bytes | None = None

    async def provide(self, inputs: WorkerInputs) -> None:
        """Driver: data and job are ready; `inputs.state` is what to resume from."""
        self._state = inputs.state
        if not self._inputs.done():
            self._inputs.set_result(inputs)

    async def inputs(self) -> WorkerInputs:
        """Workers: wait until the driver has everything."""
        return await asyncio.shield(self._inputs)

    async def begin(self) -> tuple[int, bytes | None]:
        """Worker 0 of a new group: its number, and the state to go on from."""
        self._group += 1
        return self._group, self._state

    async def tell(self, group: int, message: Message) -> None:
        """Worker 0: say something to the driver."""
        if group != self._group:
            return
        if isinstance(message, EpochFinished):
            self._state = message.state
        await self._messages.put(message)

    async def lose(self, message: WorkersLost) -> None:
        """Controller: workers are gone; whatever they still say is out of date."""
        self._group += 1
        await self._messages.put(message)

    async def receive(self, wait: float) -> list[Message]:
        """Driver: all messages so far, in order; waits up to `wait` seconds for the first.

        Of several reports of progress in a row only the last is kept.
        """
        try:
            messages = [await asyncio.wait_for(self._messages.get(), wait)]
        except TimeoutError:
            return []
        while not self._messages.empty():
            message = self._messages.get_nowait()
            if isinstance(message, Progressed) and isinstance(messages[-1], Progressed):
                messages[-1] = message
            else:
                messages.append(message)
        return messages
