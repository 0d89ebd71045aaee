"""Pods of the chart and of trainings in a namespace that enforces the `restricted` Pod Security Standard."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.cluster import Cluster, new_namespace
from tests.support.manifests import pod_specs, render_chart

from mnist_operator.api.spec import parse_spec
from mnist_operator.children.pods import head_template, submitter_template, worker_template
from mnist_operator.children.training import Installation, Training, worker_groups

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def fortress(cluster: Cluster) -> Iterator[tuple[Cluster, str]]:
    """A namespace that enforces the standard."""
    with new_namespace(cluster) as namespace:
        cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        yield cluster, namespace


def pods() -> dict[str, dict[str, Any]]:
    """Return the pod specs of all that we make."""
    found = dict(pod_specs(render_chart({"minio": {"enabled": True, "size": "1Gi"}})))
    for gpus in (0, 1):
        spec = parse_spec({"workers": {"gpusPerWorker": gpus, "maxReplicas": 4}})
        training = Training(name="t", namespace="n", uid="u", spec=spec)
        made = {
            "head": head_template(training, Installation()),
            "worker": worker_template(training, worker_groups(training)[0], Installation()),
            "submitter": submitter_template(training, Installation()),
        }
        found |= {f"{part}, {gpus} GPUs": template["spec"] for part, template in made.items()}
    return found


def attempt(cluster: Cluster, namespace: str, spec: dict[str, Any]) -> tuple[int, str]:
    """Ask for a pod by dry run, without ServiceAccounts, which are not there."""
    bare = {key: value for key, value in copy.deepcopy(spec).items() if key != "serviceAccountName"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": bare}
    path = f"{cluster.core(namespace, 'pods')}?dryRun=All&fieldValidation=Strict"
    answer = cluster.request("POST", path, pod)
    return answer.status, str(answer.body)


@pytest.mark.parametrize("name", pods())
def test_our_pods_are_let_in(fortress: tuple[Cluster, str], name: str) -> None:
    status, text = attempt(*fortress, pods()[name])
    assert status == 201, text


def test_the_standard_is_enforced(fortress: tuple[Cluster, str]) -> None:
    status, text = attempt(*fortress, {"containers": [{"name": "c", "image": "i"}]})
    assert status == 403
    assert "restricted" in text
