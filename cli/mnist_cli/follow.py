"""Follow a training until it has ended: its status, the events that matter, and how both are shown.

Of the training itself every event is told. Of its RayCluster, RayJob and pods only warnings are, and only those that do
not pass by themselves: on a real cluster each Ray pod fails its readiness probe for the first 15 s, and its liveness
probe once more while it ends. What happens is a line each; on a terminal, a line per training moves below them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Self

from mnist_cli.cluster import one_line
from mnist_cli.status import Progress, progress_of
from mnist_kube.client import KubeApi
from mnist_kube.informer import Change, Informer
from mnist_kube.resources import EVENTS, TRAININGS, Resource
from mnist_kube.times import parse

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_IDLE_S = 90.0  # an API server sends a bookmark each minute
_PROBES_PATIENCE_S = 120.0
_PROBES = ("Unhealthy", "ProbeWarning")
_MOST_PROBES_APART_S = 30.0
# Of the node's name servers, with every pod; told by status.lostWorkers, in better words.
_NEVER = ("DNSConfigForming", "WorkerLost")

Say = Callable[[str, bool], None]
"""Is told a text, and whether it is a warning."""


async def until_final(
    api: KubeApi, namespace: str, name: str, seen: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Call `seen` with every state of a training; returns the last one, Succeeded or Failed.

    Raises LookupError when it is deleted meanwhile.
    """
    async for event, training in changes(api, TRAININGS, namespace, name):
        if event == "DELETED":
            raise LookupError(f"{name} was deleted")
        seen(training)
        if progress_of(training).is_final:
            return training
    raise AssertionError("a watch without end")


def changes(
    api: KubeApi, resource: Resource, namespace: str | None, name: str | None = None
) -> AsyncGenerator[Change, None]:
    """Yield all objects (or the one of a name), then every change of them, through lost connections.

    A namespace of None means all. Raises ApiError where asking again would not help (forbidden, not served).
    """
    query = {"fieldSelector": f"metadata.name={name}"} if name else {}
    return Informer(api, resource, namespace, query, _IDLE_S).changes(give_up=True)


async def tell_events(api: KubeApi, namespace: str, names: list[str], say: Say) -> None:
    """Call `say` for the events of these trainings and what is theirs, without end."""
    told: set[tuple[str, str, str]] = set()
    async for kind, event in changes(api, EVENTS, namespace):
        about = event.get("regarding") or {}
        name, reason, warning = str(about.get("name") or ""), event.get("reason"), event.get("type") == "Warning"
        own = about.get("kind") == "MnistTraining" and name in names
        child = warning and any(name.startswith(f"{training}-") for training in names)
        text = one_line(str(event.get("note") or reason or ""))
        key = (name, str(reason), text)
        if kind == "DELETED" or not (own or child) or key in told or passes_by_itself(event):
            continue
        told.add(key)
        say(f"{name}: {reason}: {text}", warning)


def passes_by_itself(event: dict[str, Any]) -> bool:
    """Whether an event (`events.k8s.io/v1`) needs nobody yet.

    A failing probe does once it has failed for two minutes, time after time: an event that is counted
    twice, at a pod's start and at its end, is no such thing.
    """
    reason = event.get("reason")
    if reason in _NEVER:
        return True
    if reason not in _PROBES:
        return False
    count, seconds = _seen(event)
    return seconds < _PROBES_PATIENCE_S or seconds > count * _MOST_PROBES_APART_S


def _seen(event: dict[str, Any]) -> tuple[int, float]:
    """How often an event was seen, and the seconds from the first to the last time."""
    series = event.get("series") or {}
    count = series.get("count") or event.get("deprecatedCount") or 1
    first = event.get("deprecatedFirstTimestamp") or event.get("eventTime")
    last = series.get("lastObservedTime") or event.get("deprecatedLastTimestamp") or first
    if not first or not last:
        return count, 0.0
    return count, (parse(last) - parse(first)).total_seconds()


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
