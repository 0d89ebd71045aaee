"""What checks find, and how that is shown: a line for each check, and under it what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Result(StrEnum):
    """`warn`: not wrong, or not known from here; a training may be submitted all the same."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check found: a sentence, and what to do about it where there is something to do."""

    check: str
    result: Result
    message: str
    action: str = ""

    @classmethod
    def ok(cls, check: str, message: str) -> Finding:
        """All is well."""
        return cls(check, Result.OK, message)

    @classmethod
    def warn(cls, check: str, message: str, action: str = "") -> Finding:
        """Cannot be told from here, or may come later."""
        return cls(check, Result.WARN, message, action)

    @classmethod
    def fail(cls, check: str, message: str, action: str = "") -> Finding:
        """A training would not run."""
        return cls(check, Result.FAIL, message, action)


def failed(findings: Iterable[Finding]) -> bool:
    """Whether any check failed."""
    return any(finding.result == Result.FAIL for finding in findings)


def as_lines(findings: list[Finding]) -> list[str]:
    """A line for each finding, in columns, and an indented one with what to do."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.result:<4}  {finding.check:<{width}}  {finding.message}")
        if finding.action:
            lines.append(f"{'':<4}  {'':<{width}}  -> {finding.action}")
    return lines


def as_json(name: str, findings: list[Finding]) -> dict[str, object]:
    """For scripts: the training's name, whether it would run, and every finding."""
    return {"name": name, "ok": not failed(findings), "checks": [asdict(finding) for finding in findings]}


def to_json(reports: list[dict[str, object]]) -> str:
    """One report as itself, more as a list."""
    return json.dumps(reports[0] if len(reports) == 1 else reports, indent=2)
