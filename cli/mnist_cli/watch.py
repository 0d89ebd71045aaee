"""`mnistctl watch`: trainings as they go; a live table on a terminal, lines elsewhere.

Every change of a training goes into its row, which remembers the losses of the present run for its curve. The table is
laid out for the console's width and encoding each time it is drawn: a narrow terminal loses columns, never names.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_cli.cluster import Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Namespace, OptionalName
from mnist_cli.running import CommandError
from mnist_client.state import Progress, loss_text, progress_of, report_of
from mnist_kube.times import format_duration, now, parse

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table as RichTable

    from mnist_client import AsyncClient

_LOOKS_PER_SECOND = 4
_KEPT_LOSSES = 2000
_BAR_WIDTH = 12
_RIGHT = ("LOSS", "IMAGES/S", "LEFT")
_DROPPED = ("TRY", "IMAGES/S", "LEFT", "AGE", "CURVE", "EPOCH", "LOSS", "WORKERS", "ACCURACY", "PROGRESS")
"""Columns that go, in this order, where the terminal is too narrow; those that say which training and how stay."""
_COLOURS = {"Succeeded": "green", "Failed": "red", "Running": "cyan", "Suspended": "yellow"}
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-:=+*#"


def watch(
    name: OptionalName = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Watch trainings in a live table; lines where stdout is no terminal."""
    if name and all_namespaces:
        raise typer.BadParameter("a NAME is looked for in one namespace: leave --all-namespaces out")
    in_cluster(Where(kubeconfig, context, namespace), lambda client: _watch(client, name, all_namespaces))


async def _watch(client: AsyncClient, name: str | None, all_namespaces: bool) -> int:
    """Show one training until it ends (returns 0 if it succeeded, 1 if not), or all of them until Ctrl-C."""
    if name:
        await client.get(name)
    if not sys.stdout.isatty():
        return await _as_lines(client, name, all_namespaces)
    from rich.console import Console
    from rich.live import Live

    table = Table(all_namespaces)
    with Live(
        get_renderable=table.render,
        console=Console(highlight=False),
        refresh_per_second=_LOOKS_PER_SECOND,
        vertical_overflow="visible",
    ):
        return await _each(client, name, all_namespaces, table.see)


async def _as_lines(client: AsyncClient, name: str | None, all_namespaces: bool) -> int:
    from mnist_client.show import Lines

    lines = Lines()

    def see(event: str, training: dict[str, Any]) -> None:
        metadata = training["metadata"]
        label = f"{metadata['namespace']}/{metadata['name']}" if all_namespaces else metadata["name"]
        if event == "DELETED":
            lines.say(f"{label}: deleted")
        else:
            lines.update(label, progress_of(training))

    return await _each(client, name, all_namespaces, see)


async def _each(
    client: AsyncClient, name: str | None, all_namespaces: bool, see: Callable[[str, dict[str, Any]], None]
) -> int:
    async for event, training in client.watch(name, all_namespaces=all_namespaces):
        see(event, training.object)
        if name and event == "DELETED":
            raise CommandError(f"{name} was deleted", 1)
        if name and training.is_final:
            return 0 if training.succeeded else 1
    raise AssertionError("a watch without end")


@dataclass
class Row:
    """One training, and the losses that were seen of its present run."""

    training: dict[str, Any]
    run: Any = None
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_LOSSES))

    def see(self, training: dict[str, Any]) -> None:
        """Take in a newer state. A loss counts once for each report; another attempt begins another curve."""
        report = report_of(training)
        if report and report.get("attempt") != self.run:
            self.run = report.get("attempt")
            self.losses.clear()
        fresh = report.get("updatedAt") != report_of(self.training).get("updatedAt") or not self.losses
        self.training = training
        if report.get("loss") is not None and fresh:
            self.losses.append(report["loss"])

    def cells(self, moment: datetime, bars: str = _BARS) -> dict[str, str]:
        """The row in words, by column; the curve is drawn with `bars`."""
        metadata, status = self.training["metadata"], self.training.get("status") or {}
        report = report_of(self.training)
        progress = progress_of(self.training)
        return {
            "NAMESPACE": metadata["namespace"],
            "NAME": metadata["name"],
            "PHASE": progress.phase,
            "EPOCH": f"{report.get('epoch') or 0}/{report['epochs']}" if report.get("epochs") else "",
            "PROGRESS": f"{progress.share:.0%}",
            "LOSS": "" if report.get("loss") is None else loss_text(report["loss"]),
            "CURVE": sparkline(self.losses, bars=bars),
            "ACCURACY": "" if report.get("accuracy") is None else f"{report['accuracy']:.2%}",
            "IMAGES/S": f"{report['imagesPerSecond']:,.0f}" if report.get("imagesPerSecond") else "",
            "LEFT": _left(report.get("etaSeconds")) if progress.phase == "Running" else "",
            "WORKERS": self._workers(status, progress),
            "TRY": str(status.get("attempt") or ""),
            "AGE": _age(metadata.get("creationTimestamp"), moment),
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
        report = report_of(self.training)
        lost = report.get("lastLostWorker") or {}
        return bool(lost) and (report.get("epoch") or 0) <= (lost.get("epoch") or 0)

    @staticmethod
    def _workers(status: dict[str, Any], progress: Progress) -> str:
        ready = (status.get("rayCluster") or {}).get("workers") or ""
        return f"{ready} ({progress.lost_workers} lost)" if progress.lost_workers else ready


class Table:
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

    def render(self, moment: datetime | None = None) -> RenderableType:
        """The table, as wide as the console it is printed to."""
        return _Layout(self, moment or now(), self._all)


class _Layout:
    """What rich prints of a table: it learns the console's width and encoding only then."""

    def __init__(self, table: Table, moment: datetime, with_namespace: bool) -> None:
        self._table = table
        self._moment = moment
        self._dropped = set() if with_namespace else {"NAMESPACE"}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        if not self._table.rows:
            yield Text("no MnistTrainings here yet", style="dim")
            return
        bars = _ASCII_BARS if options.ascii_only else _BARS
        rows = [(row, row.cells(self._moment, bars)) for _, row in sorted(self._table.rows.items())]
        columns = [name for name in rows[0][1] if name not in self._dropped]
        wide = options.update(width=1000)
        for name in (None, *_DROPPED):
            columns = [column for column in columns if column != name]
            table = _drawn(rows, columns)
            if console.measure(table, options=wide).maximum <= options.max_width:
                break
        yield table
        yield from (Text(f"{cells['NAME']}: {row.note}", style="dim") for row, cells in rows if row.note)


def _drawn(rows: list[tuple[Row, dict[str, str]]], columns: list[str]) -> RichTable:
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


def _age(created: str | None, moment: datetime) -> str:
    return format_duration(int((moment - parse(created)).total_seconds())) if created else ""


def _left(seconds: int | None) -> str:
    return format_duration(seconds) if seconds else ""


def sparkline(values: Sequence[float], width: int = 16, bars: str = _BARS) -> str:
    """Draw `values` in at most `width` characters, the smallest as the lowest bar; more are averaged in groups.

    `bars` are eight characters, others where the terminal cannot show these. Values that are not finite are left
    out. A curve without ups and downs is drawn low.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    count = min(width, len(finite))
    groups = [finite[len(finite) * i // count : len(finite) * (i + 1) // count] for i in range(count)]
    means = [sum(group) / len(group) for group in groups]
    low, span = min(means), max(means) - min(means)
    return "".join(bars[round((mean - low) / span * (len(bars) - 1)) if span > 0 else 0] for mean in means)
