"""The kustomize base: what the chart makes of its defaults, as plain manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import yaml

Manifest = dict[str, Any]
_NAMESPACE = "mnist-system"
_HEADER = "# Generated from charts/mnist-operator by `make generate`. Do not edit.\n"
_PASSWORD = "placeholder"  # noqa: S105 - the Secrets are dropped


def operator(root: Path) -> str:
    """Return the operator and its rights; the CRD stands in crds/.

    Without the disruption budget, which does nothing for one pod: `kubectl apply` calls every one of them changed.
    """
    return _text(_render(root, {"crds": {"install": False}, "podDisruptionBudget": {"enabled": False}}))


def minio(root: Path) -> str:
    """Return MinIO and the Job that loads the dataset; its Secret is the kustomization's."""
    everything = _render(root, {"minio": {"enabled": True, "rootPassword": _PASSWORD}})
    name = "mnist-operator-minio"
    wanted = [item for item in everything if item["metadata"]["name"].startswith(name) and item["kind"] != "Secret"]
    return (
        _text(wanted)
        .replace(f"{name}.{_NAMESPACE}.svc", name)
        .replace(name, "minio")
        .replace(f"namespace: {_NAMESPACE}\n", "namespace: minio\n")
    )


def _render(root: Path, values: dict[str, Any]) -> list[Manifest]:
    with helm_python.Chart.load(root / "charts" / "mnist-operator") as chart:
        files = chart.render(values, name="mnist-operator", namespace=_NAMESPACE)
    return [
        _plain(item)
        for path, text in sorted(files.items())
        if path.endswith(".yaml")
        for item in yaml.safe_load_all(text)
        if item and "helm.sh/hook" not in (item["metadata"].get("annotations") or {})
    ]


def _plain(item: Manifest) -> Manifest:
    """Take Helm's own labels away; a Deployment's selector stays as it is."""
    for metadata in (item["metadata"], item.get("spec", {}).get("template", {}).get("metadata", {})):
        labels = metadata.get("labels") or {}
        labels.pop("helm.sh/chart", None)
        if "app.kubernetes.io/managed-by" in labels:
            labels["app.kubernetes.io/managed-by"] = "kustomize"
    return item


def _text(items: list[Manifest]) -> str:
    return _HEADER + yaml.safe_dump_all(items, sort_keys=False, width=120)
