"""The manifests in examples/ are accepted, and become what KubeRay's CRDs accept."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.integration.operator.conftest import Scene

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_gets_its_cluster(brisk: Scene, name: str) -> None:
    manifest = yaml.safe_load((EXAMPLES / name).read_text())
    training, shared = manifest["metadata"]["name"], manifest["spec"].get("clusterRef")
    if shared:
        cluster = yaml.safe_load((EXAMPLES / "workloads" / "raycluster.yaml").read_text())
        brisk.kube.create(brisk.kuberay.clusters, cluster)
        brisk.kuberay.cluster_ready(shared["name"])
    brisk.kube.create(f"{brisk.trainings}?fieldValidation=Strict", manifest)
    if shared:
        brisk.wait_exists(f"{brisk.kuberay.jobs}/{training}-1")
    else:
        brisk.wait_cluster(name=training)
    accepted = next(c for c in brisk.status(training)["conditions"] if c["type"] == "Accepted")
    assert accepted["status"] == "True", accepted


def test_all_examples_are_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert [name for name in NAMES if f"({name})" not in listed] == []
