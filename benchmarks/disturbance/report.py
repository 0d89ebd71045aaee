"""What was disturbed, what came of it, as a table and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.disturbance.load import Ended
from benchmarks.disturbance.plan import KINDS, Fault


@dataclass
class Struck:
    """A fault that happened, to whom, and from when to when (seconds of the run)."""

    fault: Fault
    victim: str
    began: float
    ended: float = 0.0


@dataclass
class Report:
    """All that is known at the end of a run."""

    seed: int
    minutes: float
    at_once: int
    planned: Sequence[Fault]
    struck: list[Struck] = field(default_factory=list)
    trainings: list[Ended] = field(default_factory=list)
    undisturbed_seconds: float = 0.0
    accuracy: float = 0.0
    violations: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    part_restarts: dict[str, int] = field(default_factory=dict)

    @property
    def wrong(self) -> list[Ended]:
        """The trainings that did not end as they must."""
        return [training for training in self.trainings if training.problem]

    @property
    def good(self) -> bool:
        """Whether everything ended as it must."""
        return bool(self.trainings) and not (self.wrong or self.violations or self.left_over)

    def survived(self, struck: Struck) -> bool:
        """Whether every training that ran at or after the fault's time, and was there when it began, ended right."""
        met = [t for t in self.trainings if t.begun <= struck.ended and t.ended >= struck.began]
        return not self.violations and not any(training.problem for training in met)

    def markdown(self) -> str:
        """Return the tables."""
        lines = ["| fault | planned | injected | survived |", "|---|---:|---:|---:|"]
        rows = []
        for kind in KINDS:
            planned = sum(fault.kind == kind for fault in self.planned)
            struck = [one for one in self.struck if one.fault.kind == kind]
            rows.append((str(kind), planned, len(struck), sum(self.survived(one) for one in struck)))
        rows.append(("**all**", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))))
        lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
        lines += ["", "| trainings | number | attempts | restarts | failed attempts | seconds each |"]
        lines += ["|---|---:|---:|---:|---:|---|"]
        for label, failing in (("that must succeed", False), ("that must fail", True)):
            group = [t for t in self.trainings if (t.status.get("phase") == "Failed") is failing]
            if group:
                lines.append(f"| {label} | {' | '.join(_sums(group))} |")
        lines += ["", *self._verdicts()]
        return "\n".join(lines)

    def _verdicts(self) -> list[str]:
        right = len(self.trainings) - len(self.wrong)
        lines = [
            f"- {right} of {len(self.trainings)} trainings ended as they must; those that succeeded have the model of "
            f"the undisturbed run, to the byte (accuracy {self.accuracy:.2%}, {self.undisturbed_seconds:.0f} s).",
            f"- One attempt at a time: {'always' if not self.violations else '; '.join(self.violations)}.",
            f"- Left over: {', '.join(self.left_over) or 'no child, no pod, no process'}.",
            f"- Parts started again: {', '.join(f'{n} {c}x' for n, c in self.part_restarts.items() if c) or 'none'}.",
        ]
        return lines + [f"- WRONG: {training.name}: {training.problem}" for training in self.wrong]

    def as_json(self) -> dict[str, Any]:
        """Return everything, for a file."""
        return {
            "seed": self.seed,
            "minutes": self.minutes,
            "trainingsAtOnce": self.at_once,
            "good": self.good,
            "accuracy": self.accuracy,
            "undisturbedSeconds": round(self.undisturbed_seconds, 1),
            "faults": [
                {
                    "number": one.fault.number, "kind": str(one.fault.kind), "victim": one.victim,
                    "plannedAt": round(one.fault.at, 1), "began": round(one.began, 1), "ended": round(one.ended, 1),
                    "survived": self.survived(one),
                } for one in self.struck
            ],
            "trainings": [
                {
                    "name": t.name, "phase": t.status.get("phase"), "reason": t.status.get("reason"),
                    "begun": round(t.begun, 1), "ended": round(t.ended, 1), "problem": t.problem,
                    **{key: t.status.get(key) for key in ("attempt", "restarts", "failures")},
                } for t in self.trainings
            ],
            "violations": self.violations,
            "leftOver": self.left_over,
            "partRestarts": self.part_restarts,
        }  # fmt: skip


def _sums(group: list[Ended]) -> list[str]:
    seconds = [training.ended - training.begun for training in group]
    sums = [sum(training.status.get(key) or 0 for training in group) for key in ("attempt", "restarts", "failures")]
    return [str(len(group)), *(str(number) for number in sums), f"{min(seconds):.0f} to {max(seconds):.0f}"]
