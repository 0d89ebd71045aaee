"""Progress bars for transfers: on a terminal bars, otherwise one line for each finished file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Advance = Callable[[int, int], None]


class Transfers:
    """Makes a progress callback for each file of a transfer."""

    def file(self, label: str) -> Advance:
        """A callback (bytes done, bytes in all) for one file."""
        raise NotImplementedError

    def finish(self, label: str, size: int) -> None:
        """Tell that a file of `size` bytes is done."""
        raise NotImplementedError


@contextlib.contextmanager
def transfers(verb: str, quiet: bool = False) -> Iterator[Transfers]:
    """Show transfers, e.g. `verb` "upload", on stderr, so that stdout stays the command's result."""
    if quiet or not sys.stderr.isatty():
        yield _Lines(verb, quiet)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bars(progress, verb)


@contextlib.contextmanager
def counting(verb: str) -> Iterator[Advance]:
    """A callback (things done, things in all): a bar on a terminal, otherwise nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(verb, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class _Lines(Transfers):
    def __init__(self, verb: str, quiet: bool) -> None:
        self._verb = verb
        self._quiet = quiet

    def file(self, label: str) -> Advance:
        return lambda done, total: None

    def finish(self, label: str, size: int) -> None:
        if not self._quiet:
            print(f"{self._verb} {label} ({human_size(size)})", file=sys.stderr)


class _Bars(Transfers):
    def __init__(self, progress: object, verb: str) -> None:
        from rich.progress import Progress

        assert isinstance(progress, Progress)
        self._progress = progress
        self._verb = verb

    def file(self, label: str) -> Advance:
        task = self._progress.add_task(f"{self._verb} {label}", total=None)

        def advance(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)

        return advance

    def finish(self, label: str, size: int) -> None:
        """The bar itself shows it."""


def human_size(size: int) -> str:
    """A size in bytes for people, in binary units."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
