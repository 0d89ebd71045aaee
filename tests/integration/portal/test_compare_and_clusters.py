"""Compare trainings, and see who holds the cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from playwright.sync_api import Page, expect
from tests.integration.operator.conftest import apply_crd
from tests.integration.portal.conftest import Watched
from tests.support.kube import Kube
from tests.support.portal import Bucket, PortalScene

from mnist_kube.objects import Object
from mnist_kube.resources import RAYCLUSTERS
from mnist_local.kuberay import crds


@pytest.fixture(scope="package")
def ray(kube: Kube) -> None:
    """KubeRay's kinds, without KubeRay."""
    for definition in crds.documents():
        apply_crd(kube, definition)


def cluster(scene: PortalScene, name: str, owner: Object | None = None, **status: Any) -> Object:
    body: Object = {
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name},
        "spec": {
            "headGroupSpec": {
                "rayStartParams": {}, "template": {"spec": {"containers": [{"name": "h", "image": "i"}]}},
            },
            "enableInTreeAutoscaling": True,
            "workerGroupSpecs": [{"groupName": "w", "replicas": 2, "minReplicas": 1, "maxReplicas": 6,
                                  "rayStartParams": {},
                                  "template": {"spec": {"containers": [{"name": "w", "image": "i"}]}}}],
        },
    }  # fmt: skip
    if owner is not None:
        body["metadata"]["ownerReferences"] = [
            {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "name": owner["metadata"]["name"],
             "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
        ]  # fmt: skip
    path = RAYCLUSTERS.path(scene.namespace)
    scene.kube.create(path, body)
    told = {"state": "ready", "readyWorkerReplicas": 2, "desiredWorkerReplicas": 2, "desiredCPU": "3",
            "desiredMemory": "9Gi", "desiredGPU": "2", "head": {"podName": f"{name}-head"}, **status}  # fmt: skip
    return scene.kube.merge(f"{path}/{name}/status", {"status": told})


def test_trainings_are_compared_by_curves_settings_and_classes(bucket: Bucket, page: Page, onnx: bytes) -> None:
    bucket.release("one", onnx, accuracy=0.91, training={"epochs": 5})
    bucket.release("two", onnx, accuracy=0.97, training={"epochs": 8, "model": "lenet5"})
    bucket.scene.running("three")
    page.get_by_role("link", name="Compare").click()
    for name in ("one", "two", "three"):
        page.get_by_label(name).check()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".plot[data-name=accuracy] .u-wrap")).to_be_visible()
    assert page.locator("#plots").evaluate("(e) => JSON.parse(e.dataset.many).length") == 3
    table = page.get_by_role("region", name="Figures and settings")
    expect(table).to_contain_text("training.epochs")
    expect(table).to_contain_text("lenet5")
    expect(table).not_to_contain_text("training.batchSize")
    expect(page.get_by_role("region", name="Recall per class")).to_contain_text("6.00 %")
    again = page.url
    page.goto("about:blank")
    page.goto(again)
    expect(page.locator(".legend li")).to_have_count(3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_these_pages_are_accessible_and_narrow(
    bucket: Bucket, ray: None, page: Page, onnx: bytes, check_access: object, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    base, space = page.url.partition("/trainings")[0], bucket.scene.namespace
    bucket.release("one", onnx)
    bucket.release("two", onnx, training={"epochs": 8})
    cluster(bucket.scene, "workbench")
    paths = (
        f"/compare?of={space}/one&of={space}/two", "/compare", "/clusters", "/clusters/new", "/models", "/new",
        f"/models?namespace={space}&secret=minio-credentials&address=s3://models/{space}",
        f"/trainings/{space}/one/result",
    )  # fmt: skip
    for path in paths:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(base + path)
        check_access(page)  # type: ignore[operator]
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_clusters_show_who_holds_what_and_what_runs_there(
    scene: PortalScene, ray: None, page: Page, check_access: object
) -> None:
    made = scene.running("runs")
    cluster(scene, "runs-x1", owner=made)
    cluster(scene, "workbench")
    page.get_by_role("link", name="Clusters").click()
    row = page.locator("#clusters tbody tr", has_text="runs-x1")
    for text in ("ready", "2/2 ready", "9GiB", "made for runs", "scales by itself, 1 to 6"):
        expect(row).to_contain_text(text)
    expect(page.locator("#clusters .figures")).to_contain_text("GPUs asked for4")
    expect(row.get_by_role("button")).to_have_count(0)
    expect(page.locator("#live")).to_have_text("Live")
    scene.kube.merge(f"{RAYCLUSTERS.path(scene.namespace)}/workbench/status", {"status": {"readyWorkerReplicas": 1}})
    expect(page.locator("#clusters tbody tr", has_text="workbench")).to_contain_text("1/2 ready")
    check_access(page)  # type: ignore[operator]


def test_kueues_queues_show_what_waits(scene: PortalScene, kube: Kube, ray: None, page: Page) -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": free, "status": free}}
    names = {"kind": "LocalQueue", "plural": "localqueues", "singular": "localqueue", "listKind": "LocalQueueList"}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    apply_crd(
        kube,
        {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "localqueues.kueue.x-k8s.io"},
            "spec": {"group": "kueue.x-k8s.io", "scope": "Namespaced", "names": names, "versions": [version]},
        },
    )  # fmt: skip
    queue = {
        "apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "LocalQueue", "metadata": {"name": "gpus"},
        "spec": {"clusterQueue": "all-gpus"}, "status": {"admittedWorkloads": 2, "pendingWorkloads": 1},
    }  # fmt: skip
    kube.create(f"/apis/kueue.x-k8s.io/v1beta1/namespaces/{scene.namespace}/localqueues", queue)
    scene.create("waits")
    label = {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "gpus"}}}
    kube.merge(f"{scene.trainings}/waits", label)
    scene.status("waits", phase="Pending", reason="WaitingForQuota", message="Waiting for quota in queue gpus")
    cluster(scene, "workbench")
    page.get_by_role("link", name="Clusters").click()
    expect(page.get_by_role("region", name="Queues")).to_contain_text("all-gpus")
    expect(page.get_by_role("region", name="Queues")).to_contain_text("waits")


def test_a_shared_cluster_is_stopped_and_started_but_not_under_those_who_use_it(
    scene: PortalScene, ray: None, page: Page
) -> None:
    cluster(scene, "workbench")
    page.get_by_role("link", name="Clusters").click()
    row = page.locator("#clusters tbody tr", has_text="workbench")
    row.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("workbench is being stopped")).to_be_visible()
    path = f"{RAYCLUSTERS.path(scene.namespace)}/workbench"
    assert (scene.kube.get(path) or {})["spec"]["suspend"] is True
    row.get_by_role("button", name="Start").click()
    expect(page.get_by_text("workbench is being started")).to_be_visible()
    scene.running("user", clusterRef={"name": "workbench"})
    expect(row).to_contain_text("user")
    expect(row.get_by_role("button", name="Stop")).to_be_disabled()


def test_a_click_is_not_lost_to_a_change_that_comes_between_press_and_release(
    scene: PortalScene, ray: None, page: Page, watched: Watched
) -> None:
    cluster(scene, "workbench")
    page.get_by_role("link", name="Clusters").click()
    button = page.get_by_role("button", name="Stop")
    expect(button).to_be_visible()
    second = page.context.new_page()
    second.goto(page.url)
    expect(second.locator("#clusters")).to_contain_text("2/2 ready")
    button.hover()
    page.mouse.down()
    scene.kube.merge(f"{RAYCLUSTERS.path(scene.namespace)}/workbench/status", {"status": {"readyWorkerReplicas": 1}})
    expect(second.locator("#clusters")).to_contain_text("1/2 ready")  # so has the first page heard of it
    page.mouse.up()
    expect(page.get_by_text("workbench is being stopped")).to_be_visible()


def test_a_shared_cluster_is_started_from_a_manifest(
    scene: PortalScene, ray: None, page: Page, watched: Watched
) -> None:
    watched.forgiven.append("422")
    page.get_by_role("link", name="Clusters").click()
    page.get_by_role("link", name="Start a shared cluster").first.click()
    page.get_by_label("RayCluster").fill("kind: [")
    page.get_by_role("button", name="Start it").click()
    expect(page.get_by_role("alert").last).to_contain_text("That is not YAML")
    body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "fresh"},
            "spec": {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": []}}}}}  # fmt: skip
    page.get_by_label("RayCluster").fill(yaml.safe_dump(body))
    page.get_by_role("button", name="Start it").click()
    expect(page.get_by_text("fresh is being started")).to_be_visible()
    assert scene.kube.get(f"{RAYCLUSTERS.path(scene.namespace)}/fresh")
