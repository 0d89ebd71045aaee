"""What `mnistctl watch` knows of the trainings it has seen, and the table of it. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mnist_cli.trainings.progress import progress_of
from mnist_cli.trainings.sparkline import sparkline

if TYPE_CHECKING:
    from rich.console import RenderableType

_KEPT_LOSSES = 2000
_BAR_WIDTH = 12
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

    def cells(self, now: datetime) -> dict[str, str]:
        """The row in words, by column."""
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
            "CURVE": sparkline(self.losses),
            "ACCURACY": "" if report.get("accuracy") is None else f"{report['accuracy']:.2%}",
            "IMAGES/S": f"{report['imagesPerSecond']:,.0f}" if report.get("imagesPerSecond") else "",
            "LEFT": _seconds(report.get("etaSeconds")) if progress.phase == "Running" else "",
            "WORKERS": (status.get("rayCluster") or {}).get("workers") or "",
            "TRY": str(status.get("attempt") or ""),
            "AGE": _age(metadata.get("creationTimestamp"), now),
        }

    @property
    def note(self) -> str:
        """What a user should know beyond the columns: why it waits, or failed."""
        progress = progress_of(self.training)
        return progress.message if progress.phase in ("Pending", "Provisioning", "Suspended", "Failed") else ""


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
        """The table."""
        from rich import box
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self.rows:
            return Text("no MnistTrainings here yet", style="dim")
        now = now or datetime.now(UTC)
        all_cells = [(row, row.cells(now)) for _, row in sorted(self.rows.items())]
        columns = [name for name in all_cells[0][1] if name != "NAMESPACE" or self._all]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for name in columns:
            table.add_column(name, no_wrap=True, justify="right" if name in ("LOSS", "IMAGES/S", "LEFT") else "left")
        for row, cells in all_cells:
            shown: list[RenderableType] = []
            for name in columns:
                if name == "PROGRESS":
                    bar = Table.grid(padding=(0, 1))
                    bar.add_row(
                        ProgressBar(total=1.0, completed=progress_of(row.training).share, width=_BAR_WIDTH),
                        f"{cells[name]:>4}",
                    )
                    shown.append(bar)
                else:
                    style = _COLOURS.get(cells[name], "") if name == "PHASE" else "magenta" if name == "CURVE" else ""
                    shown.append(Text(cells[name], style=style))
            table.add_row(*shown)
        notes = [Text(f"{cells['NAME']}: {row.note}", style="dim") for row, cells in all_cells if row.note]
        return Group(table, *notes)


def _report(training: dict[str, Any]) -> dict[str, Any]:
    """What the trainer reported in the present attempt."""
    status = training.get("status") or {}
    report = status.get("training") or {}
    return report if report.get("attempt") == status.get("attempt") else {}


def _age(created: str | None, now: datetime) -> str:
    if not created:
        return ""
    return _seconds(max(0, int((now - datetime.fromisoformat(created)).total_seconds()))) or "0s"


def _seconds(seconds: int | None) -> str:
    """A duration in its two greatest units, such as 2m5s."""
    if not seconds:
        return ""
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
