"""What a person sees while it trains: a line per event, and on a terminal a bar for the running epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from mnist_trainer.events import (
    EpochFinished,
    EpochRecord,
    Event,
    Progress,
    WorkersLost,
    WorkersNotStarted,
    WorkersReady,
)


class Console:
    """Plain lines, stamped with the seconds since the start, to a terminal or a job's log."""

    def __init__(self, stream: TextIO | None = None, started: float | None = None) -> None:
        self._stream = stream or sys.stdout
        self._started = started if started is not None else time.time()
        self._bar: Any = None
        self._task: Any = None
        self._live = self._stream.isatty()
        self._copy: Callable[[str], None] = lambda _: None

    def copy_to(self, write: Callable[[str], None]) -> None:
        """Give `write` each line, too, with its end."""
        self._copy = write

    def line(self, text: str) -> None:
        """One line, above the bar if there is one."""
        stamped = f"[{time.time() - self._started:6.1f}s] {text}"
        self._copy(stamped + "\n")
        if self._bar is not None:
            self._bar.console.print(stamped, highlight=False, markup=False)
        else:
            self._stream.write(stamped + "\n")
            self._stream.flush()

    def observe(self, event: Event | None, epochs: int) -> None:
        """Show an event of a training of `epochs` epochs."""
        if isinstance(event, WorkersReady):
            self.line(f"{event.workers} workers ready")
        elif isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, EpochFinished):
            self._epoch(event.record, epochs)
        elif isinstance(event, (WorkersLost, WorkersNotStarted)):
            self.line(f"workers were lost and are being replaced; {event}")

    def _progress(self, progress: Progress) -> None:
        """Move the bar; nothing where no terminal is."""
        if not self._live:
            return
        if self._bar is None:
            self._start_bar()
        self._bar.update(
            self._task,
            description=f"epoch {progress.epoch}",
            completed=progress.step,
            total=progress.steps,
            loss=progress.loss,
            speed=progress.images_per_second,
        )

    def _epoch(self, record: EpochRecord, epochs: int) -> None:
        self._stop_bar()
        self.line(
            f"epoch {record.epoch}/{epochs}  accuracy {100 * record.accuracy:.2f} %  "
            f"loss {record.train_loss:.4f}  test loss {record.test_loss:.4f}  "
            f"{record.images_per_second:,.0f} images/s  {record.train_seconds:.1f} s  {record.workers} workers"
        )

    def close(self) -> None:
        self._stop_bar()

    def _start_bar(self) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:,.0f} images/s"),
        )
        self._bar = Progress(*columns, console=RichConsole(file=self._stream), transient=True)
        self._task = self._bar.add_task("epoch", total=None, loss=0.0, speed=0.0)
        self._bar.start()

    def _stop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
