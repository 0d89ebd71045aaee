"""From runs to a table: medians over the seeds, least and most in brackets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable

from benchmarks.accuracy.results import Run

TARGETS = (0.988, 0.992, 0.995)


def by_recipe(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Complete runs grouped by recipe, in the order of their first appearance; unfinished ones where that is all."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.epochs:
            groups.setdefault(run.case.recipe, []).append(run)
    return {recipe: [run for run in group if run.complete] or group for recipe, group in groups.items()}


def spread(values: list[float | None], shape: str) -> str:
    """Median (least to most) of those that are not None, and how many are, if not all."""
    there = [value for value in values if value is not None]
    if not there:
        return "never"
    text = shape.format(statistics.median(there))
    if min(there) != max(there):
        text += f" ({shape.format(min(there))} to {shape.format(max(there))})"
    return text if len(there) == len(values) else f"{text}, {len(there)} of {len(values)} runs"


def times_sooner(slow: list[Run], quick: list[Run], target: float) -> float | None:
    """Ratio of the median training seconds to `target`; None where one of the recipes ever failed to reach it."""
    sides = [[run.seconds_to(target) for run in runs] for runs in (slow, quick)]
    if any(value is None for side in sides for value in side) or not all(sides):
        return None
    first, second = (statistics.median(value for value in side if value is not None) for side in sides)
    return first / second


def markdown(runs: Iterable[Run], baseline: str) -> str:
    """The table, one column per recipe, and how much sooner than `baseline` each reaches the targets."""
    groups = by_recipe(runs)
    if not groups:
        return "no run was finished"
    rows: list[tuple[str, Callable[[list[Run]], str]]] = [
        ("seeds", lambda group: str(len(group))),
        ("epochs in all", _epochs_in_all),
    ]
    for target in TARGETS:
        name = f"{100 * target:.1f} %"
        rows += [
            (f"seconds of training to {name}", _seconds(target, evaluation=False)),
            (f"the same with the evaluations on the way, {name}", _seconds(target, evaluation=True)),
            (f"epochs to {name}", lambda group, target=target: spread(_epochs(group, target), "{:.0f}")),  # type: ignore[misc]
            (f"{name} so many times sooner", _sooner(groups.get(baseline, []), target)),
        ]
    rows += [
        ("final accuracy", lambda group: spread([100 * run.accuracy for run in group], "{:.2f} %")),
        ("mean and standard deviation", _mean_and_deviation),
        ("images per second", lambda group: spread([run.images_per_second for run in group], "{:,.0f}")),
        ("seconds of the whole command", lambda group: _command(group)),
    ]
    lines = ["| | " + " | ".join(groups) + " |", "|---" * (len(groups) + 1) + "|"]
    lines += [f"| {label} | " + " | ".join(cell(group) for group in groups.values()) + " |" for label, cell in rows]
    return "\n".join(lines)


def _epochs_in_all(group: list[Run]) -> str:
    run = group[0]
    return str(run.case.epochs) if run.complete else f"{len(run.epochs)} of {run.case.epochs}, then stopped"


def _epochs(group: list[Run], target: float) -> list[float | None]:
    return [run.epochs_to(target) for run in group]


def _seconds(target: float, *, evaluation: bool) -> Callable[[list[Run]], str]:
    return lambda group: spread([run.seconds_to(target, evaluation=evaluation) for run in group], "{:.1f}")


def _sooner(baseline: list[Run], target: float) -> Callable[[list[Run]], str]:
    def cell(group: list[Run]) -> str:
        ratio = times_sooner(baseline, group, target)
        return "" if group is baseline or ratio is None else f"{ratio:.1f}"

    return cell


def _mean_and_deviation(group: list[Run]) -> str:
    values = [100 * run.accuracy for run in group]
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation} %"


def _command(group: list[Run]) -> str:
    values = [run.command_seconds for run in group]
    return "" if None in values else spread(list(values), "{:.0f}")
