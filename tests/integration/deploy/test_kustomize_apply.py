"""Every overlay applied twice with kubectl; the second time changes nothing."""

from __future__ import annotations

import re

import pytest
from tests.support.cluster import Cluster
from tests.support.manifests import ROOT

OVERLAYS = ROOT / "deploy" / "overlays"
KUEUE = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.kueue.x-k8s.io}}
spec:
  group: kueue.x-k8s.io
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  versions:
    - name: v1beta2
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""


@pytest.fixture
def kueue(cluster: Cluster) -> None:
    """Stand-ins for Kueue's kinds: they take any content."""
    for kind, scope in (("ResourceFlavor", "Cluster"), ("ClusterQueue", "Cluster"), ("LocalQueue", "Namespaced")):
        plural = f"{kind.lower()}s"
        if cluster.kubectl("get", "crd", f"{plural}.kueue.x-k8s.io", check=False).returncode == 0:
            continue
        text = KUEUE.format(kind=kind, scope=scope, plural=plural, singular=kind.lower())
        cluster.kubectl("create", "-f", "-", stdin=text)
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{plural}.kueue.x-k8s.io", "--timeout=20s")


@pytest.mark.parametrize("name", ["dev", "rke2", "gke-gpu", "kueue"])
def test_applied_twice_the_second_time_changes_nothing(cluster: Cluster, kueue: None, name: str) -> None:
    overlay = str(OVERLAYS / name)
    cluster.kubectl("apply", "-k", overlay)
    cluster.kubectl("wait", "--for=condition=Established", "crd/mnisttrainings.mnist.training", "--timeout=20s")
    cluster.kubectl("apply", "-k", f"{overlay}/training")
    again = (
        cluster.kubectl("apply", "-k", overlay).stdout + cluster.kubectl("apply", "-k", f"{overlay}/training").stdout
    )
    lines = again.strip().splitlines()
    assert len(lines) > 15
    assert [line for line in lines if not re.search(r" unchanged$", line)] == []
    cluster.kubectl("delete", "-k", f"{overlay}/training", "--wait=false")
