"""What the dashboards show, one module a dashboard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One panel: queries are pairs of PromQL and legend."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    description: str = ""
    stacked: bool = False


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard, filled from a label's values."""

    name: str
    metric: str
    label: str


def quantiles(histogram: str, window: str, selector: str = "", legend: str = "") -> tuple[tuple[str, str], ...]:
    """Return queries for p50, p90 and p99 of a histogram, given by the name of its buckets."""
    rate = f"rate({histogram}{{{selector}}}[{window}])" if selector else f"rate({histogram}[{window}])"
    return tuple(
        (f"histogram_quantile({share}, sum by (le) ({rate}))", f"{legend}p{int(share * 100)}")
        for share in (0.5, 0.9, 0.99)
    )
