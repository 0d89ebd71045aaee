"""The chart for trying out: our chart as its dependency, and a stand-in for KubeRay's, which has to be fetched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from tests.support.manifests import CHART, documents, of_kind

STACK = CHART.parent / "mnist-stack"
ABOUT = yaml.safe_load((STACK / "Chart.yaml").read_text())
DEPENDENCIES = {item["name"]: item for item in ABOUT["dependencies"]}
Built = Callable[[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """Render the chart with its dependencies in place."""
    stack = tmp_path / "mnist-stack"
    shutil.copytree(STACK, stack, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    shutil.copytree(CHART, stack / "charts" / "mnist-operator")
    kuberay = stack / "charts" / "kuberay-operator"
    (kuberay / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": "kuberay-operator", "version": DEPENDENCIES["kuberay-operator"]["version"]}
    (kuberay / "Chart.yaml").write_text(yaml.safe_dump(about))
    (kuberay / "templates" / "x.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kuberay}\n")

    def render(values: dict[str, Any]) -> list[dict[str, Any]]:
        assert helm_python.lint(stack, values, strict=True)["errors"] == []
        with helm_python.Chart.load(stack) as chart:
            files = chart.render(values, name="try", namespace="try")
        return [item for path, text in sorted(files.items()) if path.endswith(".yaml") for item in documents(text)]

    return render


def test_it_has_everything_to_try_out(built: Built) -> None:
    objects = built({})
    assert of_kind(objects, "ConfigMap", "kuberay")
    assert {item["metadata"]["name"] for item in of_kind(objects, "Deployment")} == {
        "try-mnist-operator",
        "try-mnist-operator-minio",
    }
    assert of_kind(objects, "Secret", "minio-credentials")[0]["metadata"]["namespace"] == "default"


def test_kuberay_can_be_left_out(built: Built) -> None:
    assert not of_kind(built({"kuberay-operator": {"enabled": False}}), "ConfigMap", "kuberay")


def test_versions_agree() -> None:
    ours = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    assert DEPENDENCIES["mnist-operator"]["version"] == ours
    assert ABOUT["version"] == ours
    assert DEPENDENCIES["kuberay-operator"]["version"] == "1.7.0"
