"""How a training that goes is shown, and what happens to it: a line each; on a terminal a line moves below them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from mnist_client.errors import MnistError
from mnist_client.state import Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

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


class Lines:
    """One line for each thing that happens."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last: dict[str, str] = {}
        self._lost: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str, warning: bool = False) -> None:
        """Tell something that happened."""
        mark = "warning: " if warning else ""
        print(f"[{time.monotonic() - self._began:6.1f}s] {mark}{text}", flush=True)

    def busy(self, text: str) -> None:
        """Tell what is being waited for; shown only where it can go again."""

    def update(self, name: str, progress: Progress) -> None:
        """Show where a training stands, and each worker that it loses; a look that is as the last one says nothing."""
        lost = (progress.lost_workers, progress.last_lost)
        if progress.last_lost and self._lost.get(name) != lost:
            self._lost[name] = lost
            self.say(f"{name}: {progress.last_lost}", warning=True)
        message = f" ({progress.message})" if progress.message and progress.phase in ("Pending", "Suspended") else ""
        now = progress.step + message
        if self._last.get(name) != now:
            self._last[name] = now
            self.say(f"{name}: {progress.text}{message}")


class Live(Lines):
    """The same, with a line per training that moves."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        from rich.live import Live as RichLive
        from rich.spinner import Spinner

        self._console = console
        self._busy = ""
        self._progress: dict[str, Progress] = {}
        self._spinner = Spinner("line" if console.options.ascii_only else "dots")
        self._live = RichLive(get_renderable=self._render, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str, warning: bool = False) -> None:
        """Print a line above the moving part."""
        from rich.text import Text

        stamp = Text(f"[{time.monotonic() - self._began:6.1f}s] ", style="dim")
        self._console.print(stamp + Text(text, style="yellow" if warning else ""), soft_wrap=True)

    def busy(self, text: str) -> None:
        """Show what is being waited for."""
        self._busy = text

    def update(self, name: str, progress: Progress) -> None:
        """Move the training's line, and print each new step."""
        self._busy = ""
        self._progress[name] = progress
        super().update(name, progress)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        rows: list[RenderableType] = []
        if self._busy:
            self._spinner.update(text=Text(self._busy))
            rows.append(self._spinner)
        grid = Table.grid(padding=(0, 1))
        for name, progress in self._progress.items():
            if not progress.is_final:
                bar = ProgressBar(total=1.0, completed=progress.share, width=24, pulse=progress.share == 0)
                grid.add_row(
                    Text(name, style="bold"), Text(progress.phase), bar, f"{progress.share:4.0%}", Text(progress.text)
                )
        return Group(*rows, grid)


def make_view() -> Lines:
    """Live on a terminal, lines elsewhere."""
    if not sys.stdout.isatty():
        return Lines()
    from rich.console import Console

    console = Console(highlight=False)
    return Live(console) if console.is_terminal and not console.is_dumb_terminal else Lines()
