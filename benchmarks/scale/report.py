"""What a run of `operator_scale.py` found, and the Markdown of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.scale.costs import Cost
from benchmarks.scale.operator import Usage

REST_SECONDS = 10.0


@dataclass
class Restart:
    """An operator that starts where finished trainings lie around."""

    finished: int
    seconds: float
    """From the process's start until it is ready."""
    ready: Usage
    at_rest: Usage


@dataclass
class Measured:
    """What one run found; times in seconds."""

    alone: list[float]
    crowd: list[float]
    wall: float
    lives_wall: float | None
    before: Usage
    after_children: Usage
    after_rest: Usage
    end: Usage
    children: dict[str, int]
    restart: Restart | None = None
    server: dict[str, float] = field(default_factory=dict)
    """CPU seconds of the API server's processes from the first of the crowd's applications to the operator's rest."""


def table(found: Measured, trainings: int) -> str:
    """Return the Markdown table."""
    rows = restart_rows(found.restart) if found.restart else []
    if found.alone:
        rows.append(
            ("one alone, apply to RayCluster, p50 / max", f"{spread(found.alone, 50)} / {max(found.alone):.3f} s")
        )
    if trainings:
        rows += crowd_rows(found, trainings)
    rest_cpu = found.after_rest.cpu_seconds - found.after_children.cpu_seconds
    rows += [
        (f"requests in {REST_SECONDS:.0f} s of rest", str(found.after_rest.total - found.after_children.total)),
        (f"CPU in {REST_SECONDS:.0f} s of rest", f"{rest_cpu:.2f} s"),
        ("resident memory before / at the peak", f"{found.before.now_mib:.0f} / {found.end.peak_mib:.0f} MiB"),
    ]
    verbs = {
        key: found.after_children.requests.get(key, 0) - found.before.requests.get(key, 0)
        for key in found.after_children.requests
    }
    listed = ", ".join(f"{key}: {number}" for key, number in sorted(verbs.items()) if number)
    lines = ["| what | measured |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*lines, "", f"Requests: {listed or 'none'}"])


def crowd_rows(found: Measured, trainings: int) -> list[tuple[str, str]]:
    """Return the rows of many trainings at once."""
    requests = found.after_children.total - found.before.total
    cpu = found.after_children.cpu_seconds - found.before.cpu_seconds
    whole = "whole life" if found.lives_wall is not None else "training, until its RayCluster is there"
    rows = [
        (
            f"{trainings} at once, apply to RayCluster, p50 / p99",
            f"{spread(found.crowd, 50)} / {spread(found.crowd, 99)} s",
        ),
        (f"wall time until all {trainings} have their children", f"{found.wall:.1f} s"),
    ]
    if found.lives_wall is not None:
        rows.append((f"wall time until all {trainings} have succeeded", f"{found.lives_wall:.1f} s"))
    rows += [
        (f"requests per {whole}", f"{requests / trainings:.2f}"),
        ("of them not answered with success", str(found.after_children.refused - found.before.refused)),
        ("CPU of the operator", f"{cpu:.1f} s, {1000 * cpu / trainings:.1f} ms per training"),
    ]
    for name, used in found.server.items():
        rows.append((f"CPU of the {name}", f"{used:.1f} s, {1000 * used / trainings:.1f} ms per training"))
    children = ", ".join(f"{number} {kind}" for kind, number in found.children.items() if number)
    return [*rows, ("children of a training at the end", children)]


def spread(values: list[float], percent: int) -> str:
    """Return a percentile as text."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{statistics.quantiles(values, n=100, method='inclusive')[percent - 1]:.3f}"


def restart_rows(found: Restart) -> list[tuple[str, str]]:
    """Return the rows of a start among finished trainings."""
    return [
        (f"start until ready, {found.finished} finished trainings there", f"{found.seconds:.1f} s"),
        (
            "CPU of the operator until ready / until it rests",
            f"{found.ready.cpu_seconds:.1f} / {found.at_rest.cpu_seconds:.1f} s",
        ),
        ("requests of its own until it rests", str(found.at_rest.total)),
        (
            "resident memory at rest / at the peak until then",
            f"{found.at_rest.now_mib:.0f} / {found.at_rest.peak_mib:.0f} MiB",
        ),
    ]


def costs_table(costs: Iterable[Cost]) -> str:
    """Return the Markdown table of what requests cost."""
    lines: list[str] = []
    for cost in costs:
        if not lines:
            names = " | ".join(cost.milliseconds)
            lines = [f"| request, ms of CPU each | {names} |", "|---|" + "---|" * len(cost.milliseconds)]
        lines.append(f"| {cost.kind} | " + " | ".join(f"{value:.1f}" for value in cost.milliseconds.values()) + " |")
    return "\n".join(lines)
