"""What several commands follow: a training until it ends, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mnist_client.errors import MnistError

if TYPE_CHECKING:
    from mnist_client import AsyncClient, Training

Say = Callable[[str, bool], None]
"""Is told a text, and whether it is a warning."""


async def until_final(client: AsyncClient, training: Training, seen: Callable[[Training], None]) -> Training:
    """Call `seen` with every state of a training; returns the last one, Succeeded or Failed.

    Raises TrainingDeleted when it is deleted meanwhile.
    """
    from mnist_client import TrainingDeleted

    async for event, now in client.watch(training):
        if event == "DELETED":
            raise TrainingDeleted(f"{now.name} was deleted")
        seen(now)
        if now.is_final:
            return now
    raise AssertionError("a watch without end")


async def tell_events(client: AsyncClient, training: Training, say: Say) -> None:
    """Call `say` for the events of a training and what is its, without end; without the right to see them, for none."""
    try:
        async for event in client.events(training, follow=True):
            say(str(event), event.warning)
    except MnistError:
        return
