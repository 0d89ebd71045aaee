"""The kustomizations: rendered by kubectl, in agreement with the chart and with what the operator expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.manifests import ROOT, kustomize, of_kind, pod_specs

from mnist_operator import rights
from mnist_operator.api.spec import parse_spec
from mnist_operator.children.checks import spec_problems
from mnist_operator.children.cluster import ray_cluster
from mnist_operator.children.training import Installation, Training

DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path for path in (DEPLOY / "overlays").iterdir() if path.is_dir())
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)


def training_of(overlay: Path) -> dict[str, Any]:
    """Return the MnistTraining of an overlay."""
    return of_kind(kustomize(overlay / "training"), "MnistTraining")[0]


@each_overlay
def test_an_overlay_has_the_operator_and_its_rights(overlay: Path) -> None:
    objects = kustomize(overlay)
    assert of_kind(objects, "CustomResourceDefinition", "mnisttrainings.mnist.training")
    role = of_kind(objects, "ClusterRole", "mnist-operator")[0]
    assert role["rules"] == [*rights.NAMESPACED_RULES, *rights.CLUSTER_RULES]
    for namespace in of_kind(objects, "Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pod_specs(objects):
        assert pod["securityContext"]["runAsNonRoot"] is True, name


@each_overlay
def test_a_training_is_one_that_the_operator_takes(overlay: Path) -> None:
    manifest = training_of(overlay)
    training = Training(
        name=manifest["metadata"]["name"], namespace=manifest["metadata"]["namespace"], uid="u",
        spec=parse_spec(manifest["spec"]), labels=manifest["metadata"].get("labels") or {},
    )  # fmt: skip
    assert spec_problems(training, Installation()) == []
    assert ray_cluster(training, "c", Installation())["spec"]["workerGroupSpecs"]
    secrets = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item
        for item in of_kind(kustomize(overlay), "Secret")
    }
    secret = secrets[training.namespace, training.spec.storage.credentials_secret]
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(secret["data"])
    assert training.spec.storage.endpoint or "AWS_ENDPOINT_URL" in secret["data"], "where the store is"


def test_rke2_is_eight_workers_with_node_ports_to_the_head() -> None:
    manifest = training_of(DEPLOY / "overlays" / "rke2")
    assert manifest["spec"]["workers"]["replicas"] == 8
    services = of_kind(kustomize(DEPLOY / "overlays" / "rke2" / "training"), "Service")
    assert {port["port"] for service in services for port in service["spec"]["ports"]} == {8265, 10001}
    for service in services:
        assert service["spec"]["type"] == "NodePort"
        assert service["spec"]["selector"] == {
            "mnist.training/training": manifest["metadata"]["name"],
            "ray.io/node-type": "head",
        }


def test_gke_asks_for_gpu_nodes_and_carries_an_identity() -> None:
    spec = training_of(DEPLOY / "overlays" / "gke-gpu")["spec"]
    cluster = ray_cluster(Training(name="t", namespace="n", uid="u", spec=parse_spec(spec)), "c", Installation())
    pod = cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["nodeSelector"]
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert "iam.gke.io/gcp-service-account" in spec["serviceAccount"]["annotations"]


def test_kueue_has_the_queue_that_the_training_names() -> None:
    overlay = DEPLOY / "overlays" / "kueue"
    manifest = training_of(overlay)
    objects = kustomize(overlay)
    queue = of_kind(objects, "LocalQueue", manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"])[0]
    assert queue["metadata"]["namespace"] == manifest["metadata"]["namespace"]
    assert of_kind(objects, "ClusterQueue", queue["spec"]["clusterQueue"])


def test_dev_loads_the_dataset_that_the_training_reads() -> None:
    overlay = DEPLOY / "overlays" / "dev"
    job = of_kind(kustomize(overlay), "Job")[0]
    script = job["spec"]["template"]["spec"]["containers"][0]["args"][0]
    storage = training_of(overlay)["spec"]["storage"]
    assert f"--dataset {storage['dataset']}" in script
    assert storage["output"].removeprefix("s3://") in script
    service = of_kind(kustomize(overlay), "Service", "minio")[0]
    env = dict(line.split("=", 1) for line in (overlay / "credentials.env").read_text().split())
    assert env["AWS_ENDPOINT_URL"] == f"http://minio.{service['metadata']['namespace']}.svc:9000"
    root = dict(line.split("=", 1) for line in (DEPLOY / "minio" / "minio.env").read_text().split())
    assert env["AWS_SECRET_ACCESS_KEY"] == root["MINIO_ROOT_PASSWORD"]


def test_kuberay_is_pinned() -> None:
    """These kustomizations are fetched; what can be said without a connection is that they name one version."""
    for path in (DEPLOY / "kuberay" / "kustomization.yaml", DEPLOY / "kuberay" / "apiserver" / "kustomization.yaml"):
        remote = [item for item in yaml.safe_load(path.read_text())["resources"] if item.startswith("https://")]
        assert remote, path
        assert all(item.endswith("?ref=v1.7.0") for item in remote), path
