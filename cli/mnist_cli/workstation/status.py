"""`mnistctl status`: where one training stands, and why."""

from __future__ import annotations

from typing import Any

from mnist_cli.trainings.progress import Progress, progress_of
from mnist_cli.trainings.result import result_lines
from mnist_cli.workstation.session import Session


async def status(session: Session, name: str) -> int:
    """Print what the training's status says; returns the exit code."""
    print("\n".join(described(await session.training(name))))
    return 0


def described(training: dict[str, Any]) -> list[str]:
    """A training in lines: phase, progress, conditions, cluster, job, result or last failure."""
    name, status = training["metadata"]["name"], training.get("status") or {}
    progress = progress_of(training)
    facts = {
        "phase": progress.phase + (f" ({status['reason']})" if status.get("reason") else ""),
        "message": progress.message,
        "now": "" if progress.is_final or progress.text == progress.phase else progress.text,
        "attempt": _attempt(status),
        "cluster": _joined(status.get("rayCluster"), "name", "state", "workers"),
        "lost": _lost(progress),
        "job": _joined(status.get("rayJob"), "name", "jobId", "status"),
        "started": status.get("startTime"),
        "ended": status.get("completionTime"),
    }
    lines = [name] + [f"  {key:<8} {value}" for key, value in facts.items() if value]
    for condition in status.get("conditions") or []:
        mark = {"True": "+", "False": "-"}.get(condition["status"], "?")
        lines.append(f"  {mark} {condition['type']:<12} {condition['lastTransitionTime']}  {condition['reason']}")
    return lines + (result_lines(training) if progress.is_final else [])


def _attempt(status: dict[str, Any]) -> str:
    if not status.get("attempt"):
        return ""
    counts = [f"{key}: {status[key]}" for key in ("failures", "restarts") if status.get(key)]
    return f"{status['attempt']}" + (f" ({', '.join(counts)})" if counts else "")


def _lost(progress: Progress) -> str:
    if not progress.lost_workers:
        return ""
    return f"{progress.lost_workers} worker(s)" + (f"; {progress.last_lost}" if progress.last_lost else "")


def _joined(part: dict[str, Any] | None, *fields: str) -> str:
    return ", ".join(str(part[field]) for field in fields if part and part.get(field))
