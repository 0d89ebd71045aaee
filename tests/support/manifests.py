"""The deployment's manifests: the chart rendered by the real Helm engine, kustomizations by `kubectl kustomize`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import helm_python
import yaml

Manifest = dict[str, Any]
ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "mnist-operator"
RELEASE = "mnist-operator"
NAMESPACE = "mnist-system"


def documents(text: str) -> list[Manifest]:
    """Return the objects of a YAML text."""
    return [item for item in yaml.safe_load_all(text) if item]


def render_chart(
    values: dict[str, Any] | None = None, *, name: str = RELEASE, namespace: str = NAMESPACE
) -> list[Manifest]:
    """Return the objects that the chart makes of `values`, hooks too."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name=name, namespace=namespace)
    return [item for path, text in sorted(files.items()) if path.endswith(".yaml") for item in documents(text)]


def kustomize(folder: Path) -> list[Manifest]:
    """Return the objects of a kustomization."""
    return documents(kustomize_text(folder))


def kustomize_text(folder: Path) -> str:
    """Return what `kubectl kustomize` prints.

    Raises:
        AssertionError: it failed; the message is its own.
    """
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_kind(objects: list[Manifest], kind: str, name: str | None = None) -> list[Manifest]:
    """Return the objects of a kind (and name)."""
    return [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]


def pod_specs(objects: list[Manifest]) -> list[tuple[str, Manifest]]:
    """Return the pod specs of all workloads and pods, each with the workload's name."""
    found = []
    for item in objects:
        label = f"{item['kind']}/{item['metadata']['name']}"
        if item["kind"] == "Pod":
            found.append((label, item["spec"]))
        elif item["kind"] in {"Deployment", "Job", "StatefulSet", "DaemonSet"}:
            found.append((label, item["spec"]["template"]["spec"]))
    return found
