"""Which runs may go. Pure; `delete` carries it out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from mnist_trainer.runs.catalogue import Run
from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address


@dataclass(frozen=True)
class PruneRules:
    """`keep` sealed runs of each training stay: the newest, or with `best` the most accurate.

    Runs that are not sealed are touched only if `unsealed_after` is set, and nothing was written for so long.
    `leftovers`: of the runs that stay, delete what their attempts left (checkpoints, copies of the release).
    """

    keep: int
    best: bool = False
    unsealed_after: timedelta | None = None
    leftovers: bool = False


@dataclass(frozen=True)
class Deletion:
    """Objects of one run, in the order in which they go, and why."""

    run: Run
    objects: list[ObjectInfo]
    why: str

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(item.size for item in self.objects)


def plan_pruning(runs: Iterable[Run], rules: PruneRules, now: datetime) -> list[Deletion]:
    """What goes. A training's runs are those of one folder. A damaged run is never touched."""
    deletions = []
    ordered = sorted(runs, key=lambda run: (_folder(run), run.address))
    for _, group in groupby(ordered, key=_folder):
        members = list(group)
        sealed = [run for run in members if run.state == "Sealed"]
        ranked = sorted(sealed, key=_accuracy if rules.best else _sealed_at, reverse=True)
        kind = "most accurate" if rules.best else "newest"
        for rank, run in enumerate(ranked, 1):
            if rank > rules.keep:
                deletions.append(Deletion(run, run.objects, f"number {rank} of the {kind}"))
            elif rules.leftovers and run.found.attempts:
                deletions.append(Deletion(run, run.found.attempts, "what its attempts left; the release stays"))
        deletions += [
            Deletion(run, run.objects, f"not sealed, nothing written since {_day(run.found.modified)}")
            for run in members
            if run.state == "Unsealed" and _idle(run, rules.unsealed_after, now)
        ]
    return deletions


def delete(store: ObjectStore, deletion: Deletion) -> Iterator[ObjectInfo]:
    """Delete one after the other and yield what is gone. The manifest goes first: without it there is no release."""
    for item in deletion.objects:
        store.delete(item.address)
        yield item


def _folder(run: Run) -> S3Address:
    return S3Address(run.address.bucket, run.address.key.rpartition("/")[0])


def _sealed_at(run: Run) -> tuple[datetime, float]:
    assert run.manifest is not None
    return _aware(run.manifest.created_at), -1.0 if run.manifest.accuracy is None else run.manifest.accuracy


def _accuracy(run: Run) -> tuple[float, datetime]:
    at, accuracy = _sealed_at(run)
    return accuracy, at


def _idle(run: Run, least: timedelta | None, now: datetime) -> bool:
    modified = run.found.modified
    return least is not None and modified is not None and now - _aware(modified) >= least


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _day(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M") if at else "?"
