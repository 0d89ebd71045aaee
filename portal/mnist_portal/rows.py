"""The table of trainings: what a row shows, filtered and sorted. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from mnist_client.state import phase_of, progress_of, report_of
from mnist_kube.objects import Object, is_terminating, key_of
from mnist_portal.words import seconds_of

PAGE = 100
PHASES = ("Pending", "Provisioning", "Running", "Suspended", "Succeeded", "Failed")
_ORDER = {phase: number for number, phase in enumerate(("Failed", "Running", "Provisioning", "Pending", "Suspended"))}


@dataclass(frozen=True)
class Row:
    """One training in the table."""

    namespace: str
    name: str
    uid: str
    phase: str
    reason: str
    message: str
    doing: str
    share: float
    accuracy: float | None
    workers: str
    made_by: str
    created: str
    is_going: bool

    @property
    def id(self) -> str:
        """The row's id in the page; names of Kubernetes objects hold nothing that would have to be quoted."""
        return f"row-{self.namespace}--{self.name}"

    @property
    def path(self) -> str:
        """The training's page."""
        return f"/trainings/{self.namespace}/{self.name}"


def row_of(training: Object) -> Row:
    """Read a training as the API has it."""
    namespace, name = key_of(training)
    status, progress = training.get("status") or {}, progress_of(training)
    result, report = status.get("result") or {}, report_of(training)
    accuracy = result.get("accuracy", report.get("accuracy"))
    phase = phase_of(training)
    return Row(
        namespace=namespace,
        name=name,
        uid=training["metadata"]["uid"],
        phase=phase,
        reason=status.get("reason") or "",
        message=status.get("message") or ("No operator has seen it yet." if not status else ""),
        doing="" if progress.is_final or progress.text == phase else progress.text,
        share=progress.share,
        accuracy=accuracy,
        workers=_workers(training, report),
        made_by=made_by(training),
        created=training["metadata"].get("creationTimestamp") or "",
        is_going=is_terminating(training),
    )


def made_by(training: Mapping[str, Any]) -> str:
    """Return the tool that made an object, as its first field manager names itself; Kubernetes keeps no person."""
    entries = training["metadata"].get("managedFields") or []
    writers = [e for e in entries if not e.get("subresource") and e.get("manager")]
    return str(min(writers, key=lambda e: str(e.get("time") or ""))["manager"]) if writers else ""


def _workers(training: Object, report: Mapping[str, Any]) -> str:
    wanted = (training["spec"].get("workers") or {}).get("replicas")
    extra = (training["spec"].get("workers") or {}).get("additionalGroups") or []
    wanted = (wanted or 0) + sum(group.get("replicas") or 0 for group in extra)
    trains = report.get("workers")
    return f"{trains}/{wanted}" if trains is not None and phase_of(training) == "Running" else str(wanted or "")


@dataclass(frozen=True)
class Query:
    """What the address asks for: it is the page's whole state, so that a link shows the same to everybody."""

    text: str = ""
    phase: str = ""
    namespace: str = ""
    sort: str = "-created"
    page: int = 1

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Query:
        """Read an address's query; what makes no sense is as if it were not there."""
        sort = values.get("sort", "")
        number = values.get("page", "")
        return cls(
            text=values.get("q", "").strip()[:200],
            phase=values.get("phase", "") if values.get("phase") in PHASES else "",
            namespace=values.get("namespace", "").strip()[:63],
            sort=sort if sort.removeprefix("-") in COLUMNS else "-created",
            page=max(1, int(number)) if number.isdigit() and len(number) < 7 else 1,
        )

    def link(self, **changes: Any) -> str:
        """Return the query of another look: other filters begin at the first page."""
        merged = {
            "q": self.text, "phase": self.phase, "namespace": self.namespace, "sort": self.sort, "page": 1, **changes
        }  # fmt: skip
        defaults = {"sort": "-created", "page": 1}
        kept = {key: value for key, value in merged.items() if value and value != defaults.get(key)}
        return "?" + urlencode(kept)

    def sorted_by(self, column: str) -> str:
        """Return the query of a click on a column's head: down, and then up."""
        return self.link(sort=column if self.sort == f"-{column}" else f"-{column}")

    def matches(self, row: Row) -> bool:
        """Whether a row shows."""
        if self.phase and row.phase != self.phase:
            return False
        if self.namespace and row.namespace != self.namespace:
            return False
        text = self.text.lower()
        return not text or any(text in value.lower() for value in (row.name, row.namespace, row.reason, row.message))


COLUMNS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: (row.name, row.namespace),
    "phase": lambda row: (_ORDER.get(row.phase, 9), row.name),
    "progress": lambda row: (row.share, row.name),
    "accuracy": lambda row: (-1.0 if row.accuracy is None else row.accuracy, row.name),
    "created": lambda row: (seconds_of(row.created), row.name),
}
"""What the table is sorted by."""


@dataclass(frozen=True)
class Table:
    """One page of the table."""

    rows: list[Row]
    found: int
    total: int
    counts: dict[str, int]
    page: int
    pages: int

    @property
    def digest(self) -> str:
        """A few letters that are others for any other content."""
        content = repr((self.rows, self.counts, self.page))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class RowCache:
    """Rows by uid, made anew only for a state that was not seen yet, and what was drawn of them."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, Row]] = {}
        self._drawn: dict[str, tuple[Row, str]] = {}

    def table(self, trainings: Iterable[Object], query: Query) -> Table:
        """Return the rows that an address asks for; the counts by phase are of all that match but for the phase."""
        every = [self._row(training) for training in trainings]
        if len(self._rows) > 2 * len(every) + 100:
            kept = {row.uid for row in every}
            self._rows = {uid: pair for uid, pair in self._rows.items() if uid in kept}
            self._drawn = {uid: pair for uid, pair in self._drawn.items() if uid in kept}
        return table_of(every, query)

    def drawn(self, row: Row) -> str | None:
        """Return what was drawn of this very row."""
        held = self._drawn.get(row.uid)
        return held[1] if held is not None and held[0] is row else None

    def keep(self, row: Row, drawn: str) -> None:
        """Remember what was drawn."""
        self._drawn[row.uid] = (row, drawn)

    def _row(self, training: Object) -> Row:
        metadata = training["metadata"]
        version = str(metadata.get("resourceVersion"))
        held = self._rows.get(metadata["uid"])
        if held is not None and held[0] == version:
            return held[1]
        row = row_of(training)
        self._rows[metadata["uid"]] = (version, row)
        return row


def table_of(every: Sequence[Row], query: Query) -> Table:
    """Return the rows that an address asks for; the counts by phase are of all that match but for the phase."""
    anyhow = Query(query.text, "", query.namespace)
    any_phase = [row for row in every if anyhow.matches(row)]
    counts = dict.fromkeys(PHASES, 0)
    for row in any_phase:
        counts[row.phase] = counts.get(row.phase, 0) + 1
    found = [row for row in any_phase if not query.phase or row.phase == query.phase]
    found.sort(key=COLUMNS[query.sort.removeprefix("-")], reverse=query.sort.startswith("-"))
    pages = max(1, -(-len(found) // PAGE))
    page = min(query.page, pages)
    return Table(found[(page - 1) * PAGE : page * PAGE], len(found), len(every), counts, page, pages)
