"""One function for each generated file: repository root in, text out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from generators import argocd, chart, dashboards, examples, kustomize, reference, transitions

FILES: dict[str, Callable[[Path], str]] = {
    "charts/mnist-operator/files/crd.yaml": chart.crd,
    "charts/mnist-operator/files/rights.yaml": chart.rights,
    "charts/mnist-operator/files/status-fields.yaml": chart.status_fields,
    "charts/mnist-operator/files/dashboards/mnist-operator.json": dashboards.operator,
    "charts/mnist-operator/files/dashboards/mnist-training.json": dashboards.training,
    "charts/mnist-operator/files/dashboards/mnist-trainings.json": dashboards.trainings,
    "charts/mnist-operator/README.md": chart.readme,
    # Of the chart's files above, so they come after them.
    "deploy/base/operator.yaml": kustomize.operator,
    "deploy/minio/minio.yaml": kustomize.minio,
    "deploy/argocd/argocd-cm.yaml": argocd.config_map,
    "docs/reference/api.md": reference.api,
    "docs/architecture.md": transitions.architecture,
    "examples/own-network/training.yaml": examples.own_network,
    "examples/ray-train/training.yaml": examples.ray_train,
    "examples/plain-torch/training.yaml": examples.plain_torch,
}
