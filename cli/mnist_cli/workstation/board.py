"""What `mnistctl watch` knows of the trainings it has seen, and the table of it. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mnist_cli.trainings.progress import Progress, progress_of
from mnist_cli.trainings.sparkline import ASCII_BARS, BARS, sparkline
from mnist_kube.times import format_duration, parse

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

_KEPT_LOSSES = 2000
_BAR_WIDTH = 12
_RIGHT = ("LOSS", "IMAGES/S", "LEFT")
_DROPPED = ("TRY", "IMAGES/S", "LEFT", "AGE", "CURVE", "EPOCH", "LOSS", "WORKERS", "ACCURACY", "PROGRESS")
"""Columns that go, in this order, where the terminal is too narrow; those that say which training and how stay."""
_COLOURS = {"Succeeded": "green", "Failed": "red", "Running": "cyan", "Suspended": "yellow"}


@dataclass
class Row:
    """One training, and the losses that were seen of its present run."""

    training: dict[str, Any]
    run: Any = None
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_LOSSES))

    def see(self, training: dict[str, Any]) -> None:
        """Take in a newer state. A loss counts once for each report; another attempt begins another curve."""
        report = _report(training)
        if report and report.get("attempt") != self.run:
            self.run = report.get("attempt")
            self.losses.clear()
        fresh = report.get("updatedAt") != _report(self.training).get("updatedAt") or not self.losses
        self.training = training
        if report.get("loss") is not None and fresh:
            self.losses.append(report["loss"])

    def cells(self, now: datetime, bars: str = BARS) -> dict[str, str]:
        """The row in words, by column; the curve is drawn with `bars`."""
        metadata, status = self.training["metadata"], self.training.get("status") or {}
        report = _report(self.training)
        progress = progress_of(self.training)
        return {
            "NAMESPACE": metadata["namespace"],
            "NAME": metadata["name"],
            "PHASE": progress.phase,
            "EPOCH": f"{report.get('epoch') or 0}/{report['epochs']}" if report.get("epochs") else "",
            "PROGRESS": f"{progress.share:.0%}",
            "LOSS": "" if report.get("loss") is None else f"{report['loss']:.3f}",
            "CURVE": sparkline(self.losses, bars=bars),
            "ACCURACY": "" if report.get("accuracy") is None else f"{report['accuracy']:.2%}",
            "IMAGES/S": f"{report['imagesPerSecond']:,.0f}" if report.get("imagesPerSecond") else "",
            "LEFT": _left(report.get("etaSeconds")) if progress.phase == "Running" else "",
            "WORKERS": self._workers(status, progress),
            "TRY": str(status.get("attempt") or ""),
            "AGE": _age(metadata.get("creationTimestamp"), now),
        }

    @property
    def note(self) -> str:
        """What a user should know beyond the columns: why it waits, failed, or goes on with other workers."""
        progress = progress_of(self.training)
        if progress.phase == "Running" and self._makes_up():
            return progress.last_lost
        return progress.message if progress.phase in ("Pending", "Provisioning", "Suspended", "Failed") else ""

    def _makes_up(self) -> bool:
        """Whether the epoch in which a worker was lost is not trained yet."""
        report = _report(self.training)
        lost = report.get("lastLostWorker") or {}
        return bool(lost) and (report.get("epoch") or 0) <= (lost.get("epoch") or 0)

    @staticmethod
    def _workers(status: dict[str, Any], progress: Progress) -> str:
        ready = (status.get("rayCluster") or {}).get("workers") or ""
        return f"{ready} ({progress.lost_workers} lost)" if progress.lost_workers else ready


class Board:
    """The trainings on show, by namespace and name."""

    def __init__(self, all_namespaces: bool = False) -> None:
        self._all = all_namespaces
        self.rows: dict[tuple[str, str], Row] = {}

    def see(self, event: str, training: dict[str, Any]) -> None:
        """Take in an event of the watch."""
        key = (training["metadata"]["namespace"], training["metadata"]["name"])
        if event == "DELETED":
            self.rows.pop(key, None)
            return
        row = self.rows.get(key)
        if row is None or row.training["metadata"]["uid"] != training["metadata"]["uid"]:
            row = self.rows[key] = Row(training)
        row.see(training)

    def render(self, now: datetime | None = None) -> RenderableType:
        """The table, as wide as the console it is printed to."""
        return _Table(self, now or datetime.now(UTC), self._all)


class _Table:
    """What rich prints of a board: it learns the console's width and encoding only then."""

    def __init__(self, board: Board, now: datetime, with_namespace: bool) -> None:
        self._board = board
        self._now = now
        self._dropped = set() if with_namespace else {"NAMESPACE"}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        if not self._board.rows:
            yield Text("no MnistTrainings here yet", style="dim")
            return
        bars = ASCII_BARS if options.ascii_only else BARS
        rows = [(row, row.cells(self._now, bars)) for _, row in sorted(self._board.rows.items())]
        columns = [name for name in rows[0][1] if name not in self._dropped]
        wide = options.update(width=1000)
        for name in (None, *_DROPPED):
            columns = [column for column in columns if column != name]
            table = _table(rows, columns)
            if console.measure(table, options=wide).maximum <= options.max_width:
                break
        yield table
        yield from (Text(f"{cells['NAME']}: {row.note}", style="dim") for row, cells in rows if row.note)


def _table(rows: list[tuple[Row, dict[str, str]]], columns: list[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        # Names that are wider than the terminal go on in the next line: no part of them is lost.
        names = name in ("NAMESPACE", "NAME", "PHASE")
        table.add_column(name, no_wrap=not names, overflow="fold", justify="right" if name in _RIGHT else "left")
    for row, cells in rows:
        table.add_row(*(_shown(row, name, cells[name]) for name in columns))
    return table


def _shown(row: Row, name: str, cell: str) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    if name == "PROGRESS":
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(1.0, progress_of(row.training).share, _BAR_WIDTH), f"{cell:>4}")
        return bar
    return Text(cell, style=_COLOURS.get(cell, "") if name == "PHASE" else "magenta" if name == "CURVE" else "")


def _report(training: dict[str, Any]) -> dict[str, Any]:
    """What the trainer reported in the present attempt."""
    status = training.get("status") or {}
    report = status.get("training") or {}
    return report if report.get("attempt") == status.get("attempt") else {}


def _age(created: str | None, now: datetime) -> str:
    if not created:
        return ""
    return format_duration(int((now - parse(created)).total_seconds()))


def _left(seconds: int | None) -> str:
    return format_duration(seconds) if seconds else ""
