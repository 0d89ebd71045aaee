"""Grafana dashboards, from a short description of their panels.

Grafana's dashboard model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generators.panels import Panel, Variable
from generators.panels.operator import OPERATOR
from generators.panels.training import OF_A_TRAINING, TRAINING
from generators.panels.trainings import TRAININGS

_WIDTH = 24


def operator(_: Path) -> str:
    """Return the operator's own dashboard."""
    return _render("mnist-operator", "MnistTraining / Operator", OPERATOR)


def trainings(_: Path) -> str:
    """Return the dashboard of all trainings."""
    return _render("mnist-trainings", "MnistTraining / All trainings", TRAININGS)


def training(_: Path) -> str:
    """Return the dashboard of one training."""
    return _render("mnist-training", "MnistTraining / One training", TRAINING, OF_A_TRAINING)


def _render(uid: str, title: str, panels: tuple[Panel, ...], variables: tuple[Variable, ...] = ()) -> str:
    source = {"type": "prometheus", "uid": "$datasource"}
    templating: list[dict[str, Any]] = [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    ]
    templating += [
        {
            "name": variable.name,
            "type": "query",
            "datasource": source,
            "refresh": 2,
            "sort": 1,
            "query": f"label_values({variable.metric}, {variable.label})",
        }
        for variable in variables
    ]
    dashboard = {
        "uid": uid,
        "title": title,
        "tags": ["mnist-training"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": templating},
        "panels": _placed(panels, source),
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _placed(panels: tuple[Panel, ...], source: dict[str, str]) -> list[dict[str, Any]]:
    """Lay panels out from left to right, row by row."""
    placed = []
    x = y = row = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _WIDTH:
            x, y, row = 0, y + row, 0
        placed.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}, source))
        x, row = x + panel.width, max(row, panel.height)
    return placed


def _panel(number: int, panel: Panel, place: dict[str, int], source: dict[str, str]) -> dict[str, Any]:
    custom = {"fillOpacity": 20, "stacking": {"mode": "normal"}} if panel.stacked else {}
    instant = panel.kind != "timeseries"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": source,
                "expr": expression,
                "legendFormat": legend,
                "instant": instant,
                "range": not instant,
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }
