"""`mnistctl watch`: trainings as they go; a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mnist_cli.errors import CommandError
from mnist_cli.trainings.follow import changes
from mnist_cli.trainings.progress import progress_of
from mnist_cli.trainings.show import Lines
from mnist_cli.workstation.board import Board
from mnist_cli.workstation.session import Session
from mnist_kube.resources import TRAININGS

_LOOKS_PER_SECOND = 4


async def watch(session: Session, name: str | None, all_namespaces: bool) -> int:
    """Show one training until it ends (returns 0 if it succeeded, 1 if not), or all of them until Ctrl-C."""
    if name:
        await session.training(name)
    if not sys.stdout.isatty():
        return await _lines(session, name, all_namespaces)
    from rich.console import Console
    from rich.live import Live

    board = Board(all_namespaces)
    with Live(
        get_renderable=board.render,
        console=Console(highlight=False),
        refresh_per_second=_LOOKS_PER_SECOND,
        vertical_overflow="visible",
    ):
        return await _each(session, name, all_namespaces, board.see)


async def _lines(session: Session, name: str | None, all_namespaces: bool) -> int:
    lines = Lines()

    def see(event: str, training: dict[str, Any]) -> None:
        metadata = training["metadata"]
        label = f"{metadata['namespace']}/{metadata['name']}" if all_namespaces else metadata["name"]
        if event == "DELETED":
            lines.say(f"{label}: deleted")
        else:
            lines.update(label, progress_of(training))

    return await _each(session, name, all_namespaces, see)


async def _each(
    session: Session, name: str | None, all_namespaces: bool, see: Callable[[str, dict[str, Any]], None]
) -> int:
    namespace = None if all_namespaces else session.namespace
    async for event, training in changes(session, TRAININGS, namespace, name):
        see(event, training)
        progress = progress_of(training)
        if name and event == "DELETED":
            raise CommandError(f"{name} was deleted", 1)
        if name and progress.is_final:
            return 0 if progress.phase == "Succeeded" else 1
    raise AssertionError("a watch without end")
