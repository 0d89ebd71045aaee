"""What was measured, in a file written after every epoch, so that an interrupted comparison goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_FORMAT = 1


@dataclass(frozen=True)
class Epoch:
    """One epoch: `accuracy` on the test images (0 to 1) after it, and the seconds it took."""

    epoch: int
    accuracy: float
    train_seconds: float
    evaluation_seconds: float


@dataclass(frozen=True, order=True)
class Case:
    """One run to make: which recipe, for how many epochs, from which seed."""

    recipe: str
    seed: int
    epochs: int


@dataclass
class Run:
    """A case and its epochs so far. `images` is the number of training images of an epoch."""

    case: Case
    images: int
    epochs: list[Epoch] = field(default_factory=list)
    command_seconds: float | None = None
    """The whole command from start to end, where the case is one."""

    @property
    def complete(self) -> bool:
        """Whether all epochs are there."""
        return len(self.epochs) >= self.case.epochs

    @property
    def accuracy(self) -> float:
        """After the last epoch."""
        return self.epochs[-1].accuracy

    @property
    def images_per_second(self) -> float:
        """While training; evaluation does not count."""
        return self.images * len(self.epochs) / sum(epoch.train_seconds for epoch in self.epochs)

    def epochs_to(self, target: float) -> int | None:
        """The first epoch after which the accuracy is at least `target`; None if it never is."""
        return next((epoch.epoch for epoch in self.epochs if epoch.accuracy >= target), None)

    def seconds_to(self, target: float, *, evaluation: bool = False) -> float | None:
        """Seconds of training until then, and of the evaluations on the way if asked for."""
        last = self.epochs_to(target)
        if last is None:
            return None
        until = [epoch for epoch in self.epochs if epoch.epoch <= last]
        return sum(epoch.train_seconds + (epoch.evaluation_seconds if evaluation else 0) for epoch in until)


class ResultsFile:
    """The runs of one comparison as JSON. `about` says on what they were made; other facts begin a new comparison."""

    def __init__(self, path: Path, about: dict[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self.about = about
        self._runs: dict[Case, Run] = {}
        if path.exists() and not fresh:
            self._runs = {run.case: run for run in _read(path, about)}

    @property
    def runs(self) -> list[Run]:
        """All runs, the unfinished ones too, in the order in which they were made."""
        return list(self._runs.values())

    def missing(self, cases: Iterable[Case]) -> list[Case]:
        """Which of `cases` are still to be made; an unfinished run is made again."""
        return [case for case in cases if case not in self._runs or not self._runs[case].complete]

    def keep(self, run: Run) -> None:
        """Add or replace a run, and write the file: in full or not at all."""
        self._runs[run.case] = run
        content = {
            "format": _FORMAT,
            "about": self.about,
            "runs": [{**asdict(run), "complete": run.complete} for run in self._runs.values()],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.part")
        partial.write_text(json.dumps(content, indent=1) + "\n")
        os.replace(partial, self.path)  # noqa: PTH105


def _read(path: Path, about: dict[str, Any]) -> list[Run]:
    try:
        content = json.loads(path.read_text())
        if content["format"] != _FORMAT or content["about"] != about:
            raise SystemExit(
                f"{path} was measured on other data or with other software: give another --out, or --fresh"
            )
        return [
            Run(
                case=Case(**entry["case"]),
                images=entry["images"],
                epochs=[Epoch(**epoch) for epoch in entry["epochs"]],
                command_seconds=entry["command_seconds"],
            )
            for entry in content["runs"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is not a file of results ({error}): give another --out, or --fresh") from None
