"""The chart on an API server: installed, upgraded, uninstalled, and every object of it valid."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.deploy.conftest import CRDS
from tests.support.cluster import Cluster
from tests.support.installation import Installation, unique
from tests.support.manifests import CHART, Manifest, render_chart
from tests.support.wait import wait_for

from mnist_kube.resources import TRAININGS
from mnist_operator.api import crd

PLURALS = {
    "CustomResourceDefinition": "customresourcedefinitions", "ClusterRole": "clusterroles", "Role": "roles",
    "ClusterRoleBinding": "clusterrolebindings", "RoleBinding": "rolebindings", "ServiceAccount": "serviceaccounts",
    "Deployment": "deployments", "Service": "services", "Secret": "secrets", "ConfigMap": "configmaps", "Pod": "pods",
    "Job": "jobs", "PersistentVolumeClaim": "persistentvolumeclaims", "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets", "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}  # fmt: skip
# Kinds of the Prometheus operator, which is not there.
ABSENT = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def collection(item: Manifest) -> str:
    """Return the path to POST an object to."""
    root = "/apis/" if "/" in item["apiVersion"] else "/api/"
    space = f"/namespaces/{item['metadata']['namespace']}" if item["metadata"].get("namespace") else ""
    return f"{root}{item['apiVersion']}{space}/{PLURALS[item['kind']]}"


@pytest.mark.parametrize("mode", ["cluster", "namespaced"])
def test_every_object_is_valid_by_strict_validation(cluster: Cluster, namespace: str, mode: str) -> None:
    values: dict[str, Any] = {
        "networkPolicy": {"egress": {"enabled": True}, "metricsFrom": [{"namespaceSelector": {}}]},
        "metrics": {"dashboards": {"enabled": True}},
        "defaultStore": {
            "create": True, "secretName": "given", "accessKeyId": "id", "secretAccessKey": "key", "caCert": "PEM",
            "namespaces": [namespace],
        },
        "minio": {"enabled": True, "namespaces": [namespace], "size": "1Gi"},
    }  # fmt: skip
    if mode == "namespaced":
        values |= {"watchNamespaces": [namespace]}
        values["networkPolicy"] |= {"trainings": {"enabled": True, "trustedNamespaces": {"a": "b"}}}
    objects = render_chart(values, name=unique("dry"), namespace=namespace)
    kinds = {item["kind"] for item in objects}
    assert kinds - ABSENT <= set(PLURALS)
    assert kinds >= {"Deployment", "Role", "ValidatingAdmissionPolicy", "NetworkPolicy", "PersistentVolumeClaim", "Job"}
    for item in objects:
        answer = cluster.request("POST", f"{collection(item)}?dryRun=All&fieldValidation=Strict", item)
        exists = answer.status == 409 and item["kind"] == "CustomResourceDefinition"
        assert answer.status == 201 or exists, (item["kind"], item["metadata"]["name"], answer.body)


def previous_chart(folder: Path) -> Path:
    """Return the chart as an older version had it: an older CRD, without one of today's fields."""
    older = folder / "mnist-operator"
    shutil.copytree(CHART, older)
    about = yaml.safe_load((older / "Chart.yaml").read_text())
    (older / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "0.0.9", "appVersion": "0.0.9"}))
    definition = crd.custom_resource_definition()
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["submission"]
    spec.get("default", {}).pop("submission", None)
    (older / "files" / "crd.yaml").write_text(yaml.safe_dump(definition))
    return older


def test_an_upgrade_brings_the_new_crd_and_keeps_trainings(
    cluster: Cluster, installation: Installation, namespace: str, tmp_path: Path
) -> None:
    path = f"{CRDS}/{crd.CRD_NAME}"
    if cluster.request("GET", path).status == 200:
        pytest.skip("the CRD of this cluster belongs to another installation")
    installation.install({}, previous_chart(tmp_path))
    trainings = TRAININGS.path(namespace)
    manifest = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "metadata": {"name": "kept"}}
    before = cluster.expect(201, "POST", trainings, {**manifest, "spec": {"workers": {"replicas": 3}}}).body
    assert "submission" not in before["spec"]

    installation.upgrade({})

    def read() -> Manifest:
        return cluster.expect(200, "GET", f"{trainings}/kept").body

    def fresh() -> Manifest:
        new = {**manifest, "metadata": {"name": "fresh"}, "spec": {"submission": {"mode": "HTTP"}}}
        return cluster.expect(201, "POST", f"{trainings}?dryRun=All", new).body

    wait_for(lambda: fresh()["spec"].get("submission") == {"mode": "HTTP"}, "the new CRD to be served")
    assert read()["metadata"]["uid"] == before["metadata"]["uid"]
    assert read()["spec"]["workers"]["replicas"] == 3

    installation.uninstall()
    assert cluster.expect(200, "GET", f"{trainings}/kept").body["metadata"]["uid"] == before["metadata"]["uid"]
    left = cluster.expect(200, "GET", cluster.core(installation.namespace, "serviceaccounts")).body["items"]
    assert installation.release not in {item["metadata"]["name"] for item in left}

    installation.install({})
    assert cluster.request("GET", f"{trainings}/kept").status == 200, "installed again over what was kept"
    cluster.expect(200, "DELETE", path)


def test_installing_the_same_again_changes_nothing(cluster: Cluster, installation: Installation, our_crd: None) -> None:
    values = {"crds": {"install": False}}
    installation.install(values)
    paths = [
        f"/apis/apps/v1/namespaces/{installation.namespace}/deployments/{installation.release}",
        f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{installation.release}",
        f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{installation.release}-status",
    ]

    def versions() -> list[str]:
        return [cluster.expect(200, "GET", path).body["metadata"]["resourceVersion"] for path in paths]

    before = versions()
    installation.upgrade(values)
    assert versions() == before
