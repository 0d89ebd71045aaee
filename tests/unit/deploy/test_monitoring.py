"""Dashboards and alerts: every metric exists, every alert fires for what it is for and has its runbook page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from tests.support.manifests import CHART, ROOT, of_kind

from mnist_operator.cache import ClusterState
from mnist_operator.metrics.exporter import Metrics
from mnist_operator.metrics.trainings import TrainingsCollector

DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
ALERTS = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def exported_by_the_operator() -> set[str]:
    """Return the names of all series that a scrape of the operator gives."""
    metrics = Metrics()
    metrics.add(TrainingsCollector(ClusterState()))
    return {sample.name for family in metrics.registry.collect() for sample in family.samples} | {
        # One with labels has no samples before it is first used.
        f"{family.name}{suffix}"
        for family in metrics.registry.collect()
        for suffix in _SUFFIXES[family.type]
    }


def exported_by_ray() -> set[str]:
    """Return the names that Ray's own dashboards of the same version query."""
    folder = Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards"
    text = "\n".join(path.read_text() for path in folder.glob("*_panels.py"))
    return set(re.findall(r"\bray_[a-z0-9_]+(?=\{)", text))


def exported_by_the_trainer() -> set[str]:
    """Return the names that the trainer promises; a test of the trainer holds it to them."""
    contract = json.loads((ROOT / "contracts" / "trainer.json").read_text())
    return {metric["name"] for metric in contract["metrics"]["exported"]}


_WORDS = {"and", "or", "unless", "sum", "count", "max", "min", "rate", "increase", "absent", "topk", "offset", "le"}


def queried(expression: str) -> set[str]:
    """Return the metric names of a PromQL expression: every name that is no label, no function and no operator."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"^label_values\((.*),[^,]*\)$", r"\1", bare)
    bare = re.sub(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    return set(re.findall(r"\b[a-z][a-z0-9_]+\b(?!\s*\()", bare)) - _WORDS


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where each query stands, and the query."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{path.stem}: ${variable['name']}", variable["query"]
    for rule in RULES:
        yield f"alert {rule['alert']}", rule["expr"]


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_every_queried_metric_is_exported(place: str, expression: str) -> None:
    names = queried(expression)
    assert names, place
    assert names <= exported_by_the_operator() | exported_by_ray() | exported_by_the_trainer(), place


def test_a_query_that_names_no_known_metric_is_found() -> None:
    assert queried('sum by (x) (rate(mnist_a_total{b="c"}[5m])) and on (instance) nothing_total > 3') == {
        "mnist_a_total",
        "nothing_total",
    }
    assert queried('label_values(mnist_a{b="c"}, training_name)') == {"mnist_a"}


def test_dashboards_are_sound() -> None:
    assert len(DASHBOARDS) == 3
    dashboards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert [board["uid"] for board in dashboards] == [path.stem for path in DASHBOARDS]
    for board in dashboards:
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            assert place["x"] + place["w"] <= 24
            taken |= cells
            assert panel["datasource"]["uid"] == "$datasource"
        variables = {variable["name"] for variable in board["templating"]["list"]}
        assert set(re.findall(r"\$([a-z]+)", json.dumps(board["panels"]))) <= variables


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_runbook_that_says_what_to_do(rule: dict[str, Any]) -> None:
    page = rule["annotations"]["runbook_url"].removeprefix("RUNBOOK_BASE_URL/")
    assert page == f"{rule['alert'].lower()}.md"
    text = (ROOT / "docs" / "operations" / page).read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    for part in ("**What it means.**", "**Look**", "**Do**"):
        assert part in text, part


def test_the_rule_of_the_chart_points_to_the_pages(render: Callable[..., list[Any]]) -> None:
    values = {"metrics": {"prometheusRule": {"enabled": True, "runbookBaseUrl": "https://docs.example.org/ops/"}}}
    groups = of_kind(render(values), "PrometheusRule")[0]["spec"]["groups"]
    urls = [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]]
    assert urls == [f"https://docs.example.org/ops/{rule['alert'].lower()}.md" for rule in RULES]
    assert [[rule["expr"] for rule in group["rules"]] for group in groups] == [
        [rule["expr"] for rule in group["rules"]] for group in ALERTS["groups"]
    ]


def test_chart_ships_the_dashboards(render: Callable[..., list[Any]]) -> None:
    values = {"metrics": {"dashboards": {"enabled": True, "labels": {"grafana": "yes"}}}}
    maps = of_kind(render(values), "ConfigMap")
    assert {name: json.loads(text) for item in maps for name, text in item["data"].items()} == {
        path.name: json.loads(path.read_text()) for path in DASHBOARDS
    }
    assert all(item["metadata"]["labels"]["grafana"] == "yes" for item in maps)


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (Debian: apt-get install prometheus)")
def test_alerts_fire_under_promtool() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", str(Path(__file__).with_name("alerts.test.yaml"))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested = Path(__file__).with_name("alerts.test.yaml").read_text()
    assert all(f"runbook_url: RUNBOOK_BASE_URL/{rule['alert'].lower()}.md" in tested for rule in RULES)
