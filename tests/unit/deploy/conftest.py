"""The chart, rendered by the real Helm engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python
import pytest
from tests.support.manifests import CHART, Manifest, render_chart

Render = Callable[..., list[Manifest]]


@pytest.fixture(scope="session")
def chart_path() -> Path:
    """The chart's folder."""
    return CHART


@pytest.fixture(scope="session")
def render() -> Render:
    """Return all objects that the chart makes of values."""

    def rendered(values: dict[str, Any] | None = None, **options: Any) -> list[Manifest]:
        return render_chart(values, **options)

    return rendered


@pytest.fixture(scope="session")
def lint() -> Callable[[dict[str, Any]], list[str]]:
    """Return what `helm lint --strict` has to say beyond hints."""

    def linted(values: dict[str, Any]) -> list[str]:
        report = helm_python.lint(CHART, values, strict=True, kube_version="v1.36.0")
        return report["errors"] + [item["error"] for item in report["messages"] if item["severity"] >= 2]

    return linted
