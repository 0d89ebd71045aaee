"""How trainings that go are shown: lines, a line that moves on a terminal, or a table in a notebook.

What happens is a line each; on a terminal and in a notebook, a line per training moves below them.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Self

from mnist_client.events import TrainingEvent
from mnist_client.state import Progress
from mnist_client.training import Change

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


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
        sys.stdout.write(f"[{self._seconds():6.1f}s] {mark}{text}\n")
        sys.stdout.flush()

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

    def see(self, item: Change | TrainingEvent) -> None:
        """Show a change of a training, or an event of it."""
        if isinstance(item, TrainingEvent):
            self.say(str(item), item.warning)
        elif item.type != "DELETED":
            self.update(item.training.name, item.training.progress)

    def _seconds(self) -> float:
        return time.monotonic() - self._began


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

        stamp = Text(f"[{self._seconds():6.1f}s] ", style="dim")
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


class Notebook(Lines):
    """One table under the cell, and what happens below it."""

    _KEPT = 12

    def __init__(self) -> None:
        super().__init__()
        self._progress: dict[str, Progress] = {}
        self._told: list[tuple[float, str, bool]] = []
        self._shown: Any = None

    def say(self, text: str, warning: bool = False) -> None:
        """Add a line below the table; the oldest go where there are many."""
        self._told = [*self._told, (self._seconds(), text, warning)][-self._KEPT :]
        self._draw()

    def update(self, name: str, progress: Progress) -> None:
        """Move the training's row, and tell each new step."""
        self._progress[name] = progress
        super().update(name, progress)
        self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        from mnist_client.page import progress_html

        drawn = HTML(progress_html(self._progress, self._told))
        if self._shown is None:
            self._shown = display(drawn, display_id=True)
        else:
            self._shown.update(drawn)


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def make_view() -> Lines:
    """A table in a notebook, a moving line on a terminal, lines elsewhere."""
    if in_notebook():
        return Notebook()
    if not sys.stdout.isatty():
        return Lines()
    from rich.console import Console

    console = Console(highlight=False)
    return Live(console) if console.is_terminal and not console.is_dumb_terminal else Lines()
