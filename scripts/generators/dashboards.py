"""Grafana dashboards, from a short description of their panels.

Grafana's dashboard model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WIDTH = 24


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


_WAITING = 'sum(mnist_trainings{phase=~"Pending|Provisioning"})'
_NODES = 'namespace="$namespace", training="$training"'

OPERATOR = (
    Panel("Operators up", (("count(mnist_operator_queue_depth)", "operators"),), kind="stat", width=6, height=4),
    Panel("Trainings", (("sum(mnist_trainings)", "trainings"),), kind="stat", width=6, height=4),
    Panel("Waiting to be reconciled", (("sum(mnist_operator_queue_depth)", "keys"),), kind="stat", width=6, height=4),
    Panel(
        "Errors, last hour",
        (('sum(increase(mnist_operator_reconciles_total{outcome=~"error|api_error"}[1h]))', "errors"),),
        kind="stat",
        width=6,
        height=4,
        description="error: a bug, with a traceback in the log. api_error: the API server refused or was not reached.",
    ),
    Panel("Reconciles", (("sum by (outcome) (rate(mnist_operator_reconciles_total[5m]))", "{{outcome}}"),), "ops"),
    Panel(
        "Time of a reconcile",
        tuple(
            (
                f"histogram_quantile({share}, sum by (le) (rate(mnist_operator_reconcile_seconds_bucket[5m])))",
                f"p{int(share * 100)}",
            )
            for share in (0.5, 0.9, 0.99)
        ),
        "s",
    ),
    Panel(
        "Requests to the API server",
        (("sum by (verb, code) (rate(mnist_operator_api_requests_total[5m]))", "{{verb}} {{code}}"),),
        "reqps",
        description="Code 0: the server could not be reached.",
    ),
    Panel("Queue", (("sum(mnist_operator_queue_depth)", "waiting"),)),
)

TRAININGS = (
    *(
        Panel(title, ((query, title),), kind="stat", width=6, height=4)
        for title, query in (
            ("Running", 'sum(mnist_trainings{phase="Running"})'),
            ("Waiting", _WAITING),
            ("Suspended", 'sum(mnist_trainings{phase="Suspended"})'),
            ("Failed", 'sum(mnist_trainings{phase="Failed"})'),
        )
    ),
    Panel("Trainings by phase", (("sum by (phase) (mnist_trainings)", "{{phase}}"),), width=24, stacked=True),
    Panel(
        "CPU-hours, last 24 hours",
        (
            (
                "sum by (namespace, training) (sum_over_time(ray_node_cpu_count[24h:1m])) / 60",
                "{{namespace}}/{{training}}",
            ),
        ),
        "h",
        kind="bargauge",
        description="CPUs of the Ray nodes of a training, times the hours that they existed, used or not.",
    ),
    Panel(
        "GPU-hours, last 24 hours",
        (
            (
                "sum by (namespace, training) (sum_over_time(ray_node_gpus_available[24h:1m])) / 60",
                "{{namespace}}/{{training}}",
            ),
        ),
        "h",
        kind="bargauge",
        description="GPUs of the Ray nodes of a training, times the hours that they existed, used or not.",
    ),
    Panel(
        "CPUs in use",
        (
            (
                "sum by (namespace, training) (ray_node_cpu_utilization * ray_node_cpu_count) / 100",
                "{{namespace}}/{{training}}",
            ),
        ),
        stacked=True,
    ),
    Panel("Ray nodes", (("count by (namespace, training) (ray_node_cpu_count)", "{{namespace}}/{{training}}"),)),
)

TRAINING = (
    Panel("Ray nodes", ((f"count(ray_node_cpu_count{{{_NODES}}})", "nodes"),), kind="stat", width=8, height=4),
    Panel("CPUs", ((f"sum(ray_node_cpu_count{{{_NODES}}})", "CPUs"),), kind="stat", width=8, height=4),
    Panel(
        "Time blocked in reports",
        ((f"sum(ray_train_report_total_blocked_time_s{{{_NODES}}})", "seconds"),),
        "s",
        kind="stat",
        width=8,
        height=4,
    ),
    Panel("CPU of each node", ((f"ray_node_cpu_utilization{{{_NODES}}}", "{{ray_node_type}} {{pod}}"),), "percent"),
    Panel("Memory of each node", ((f"ray_node_cgroup_mem_used{{{_NODES}}}", "{{ray_node_type}} {{pod}}"),), "bytes"),
    Panel("GPU of each node", ((f"ray_node_gpus_utilization{{{_NODES}}}", "{{pod}}"),), "percent"),
    Panel(
        "Object store",
        ((f"sum by (Location) (ray_object_store_memory{{{_NODES}}})", "{{Location}}"),),
        "bytes",
        stacked=True,
    ),
    Panel(
        "Network received",
        ((f"ray_node_network_receive_speed{{{_NODES}}}", "{{ray_node_type}} {{pod}}"),),
        "Bps",
        description="The dataset at the start, gradients while training.",
    ),
    Panel("Network sent", ((f"ray_node_network_send_speed{{{_NODES}}}", "{{ray_node_type}} {{pod}}"),), "Bps"),
    Panel(
        "State of Ray Train",
        (
            (
                f"sum by (ray_train_controller_state) (ray_train_controller_state{{{_NODES}}})",
                "{{ray_train_controller_state}}",
            ),
        ),
    ),
    Panel(
        "Time spent starting worker groups",
        ((f"sum(ray_train_worker_group_start_total_time_s{{{_NODES}}})", "seconds"),),
        "s",
        description="Grows when workers were lost and the group was made anew.",
    ),
)

_OF_A_TRAINING = (
    Variable("namespace", "ray_node_cpu_count", "namespace"),
    Variable("training", 'ray_node_cpu_count{namespace="$namespace"}', "training"),
)


def operator(_: Path) -> str:
    """Return the operator's own dashboard."""
    return _render("mnist-operator", "MnistTraining / Operator", OPERATOR)


def trainings(_: Path) -> str:
    """Return the dashboard of all trainings."""
    return _render("mnist-trainings", "MnistTraining / All trainings", TRAININGS)


def training(_: Path) -> str:
    """Return the dashboard of one training."""
    return _render("mnist-training", "MnistTraining / One training", TRAINING, _OF_A_TRAINING)


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
