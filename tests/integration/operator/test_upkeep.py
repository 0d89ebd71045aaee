"""Upkeep: changes by hand are put right, rotated credentials arrive, quotas are told, namespaces may go."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.integration.operator.conftest import Scene
from tests.support.wait import wait_for

from mnist_kube.objects import Object
from mnist_operator.children.drift import canonical

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}/mnist-trainer"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_spec_changed_by_hand_is_put_back_and_told(brisk: Scene) -> None:
    brisk.apply()
    brisk.walk_to_running()
    for path, change in (
        (brisk.cluster_path(), {"headGroupSpec": {"serviceType": "NodePort"}}),
        (f"{brisk.kuberay.jobs}/mnist-1", {"entrypoint": "rm -rf /"}),
    ):
        before = brisk.kube.get(path)
        assert before is not None
        brisk.kube.merge(path, {"spec": change})

        def is_back(path: str = path, spec: Any = before["spec"]) -> bool:
            return canonical((brisk.kube.get(path) or {}).get("spec")) == canonical(spec)

        wait_for(is_back, f"{path} to be as it was")
    wait_for(lambda: brisk.events().count("DriftCorrected") == 2, lambda: f"an event for each, not {brisk.events()}")
    assert brisk.status()["phase"] == "Running"


def test_what_kuberay_makes_of_an_object_that_it_writes_back_is_no_drift(scene: Scene) -> None:
    first = scene.start_operator()
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    job = scene.wait_exists(f"{scene.kuberay.jobs}/mnist-1")
    assert job["metadata"]["generation"] > 1
    assert "shutdownAfterJobFinishes" not in job["spec"]
    first.stop()
    scene.start_operator()  # compares with what it would make, since it has not seen the job being made
    scene.kuberay.report("mnist", state="Training", workers=1)
    scene.wait_status(message="Training on 1 worker")
    assert scene.wait_exists(f"{scene.kuberay.jobs}/mnist-1")["spec"] == job["spec"]
    scene.kuberay.seal("mnist")
    scene.kuberay.job_ends("mnist-1", well=True)
    scene.wait_status(phase="Succeeded")
    assert scene.warnings() == []


def test_what_the_autoscaler_and_kuberay_write_is_left_alone(brisk: Scene) -> None:
    brisk.apply(spec={"workers": {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}})
    brisk.walk_to_running()
    scale = {"op": "replace", "path": "/spec/workerGroupSpecs/0/replicas", "value": 4}
    victims = {"op": "add", "path": "/spec/workerGroupSpecs/0/scaleStrategy", "value": {"workersToDelete": ["pod"]}}
    changed = brisk.kube.json_patch(brisk.cluster_path(), [scale, victims])
    # The next change is put back, so this one has been looked at by then.
    brisk.kube.merge(brisk.cluster_path(), {"spec": {"rayVersion": "2.59.0"}})
    wait_for(lambda: "DriftCorrected" in brisk.events(), "the version to be put back")
    live = brisk.kube.get(brisk.cluster_path())
    assert live is not None
    assert live["spec"] == changed["spec"]


def rules_loosened(scene: Scene) -> str:
    path = RBAC.format(scene.namespace, "roles")
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    scene.kube.merge(path, {"rules": [everything]})
    return path


def binding_widened(scene: Scene) -> str:
    path = RBAC.format(scene.namespace, "rolebindings")
    scene.kube.merge(path, {"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": scene.namespace}]})
    return path


def account_deleted(scene: Scene) -> str:
    path = scene.core("serviceaccounts", "mnist-head")
    scene.kube.delete(path)
    return path


def secret_rewritten(scene: Scene) -> str:
    path = scene.core("secrets", "mnist-storage")
    scene.kube.merge(path, {"data": {"AWS_ACCESS_KEY_ID": encoded("theirs"), "MORE": encoded("x")}})
    return path


@pytest.mark.parametrize("tamper", [rules_loosened, binding_widened, account_deleted, secret_rewritten])
def test_support_changed_by_hand_is_put_right_at_the_next_comparison(
    brisk: Scene, tamper: Callable[[Scene], str]
) -> None:
    brisk.apply()
    brisk.walk_to_running()

    def content(live: Object | None) -> Object:
        return {key: value for key, value in (live or {}).items() if key != "metadata"}

    paths = [RBAC.format(brisk.namespace, kind) for kind in ("roles", "rolebindings")]
    paths += [brisk.core("serviceaccounts", "mnist-head"), brisk.core("secrets", "mnist-storage")]
    before = {path: content(brisk.kube.get(path)) for path in paths}
    path = tamper(brisk)
    wait_for(lambda: content(brisk.kube.get(path)) == before[path], f"{path} to be as it was")


def test_a_rotation_of_the_source_secret_reaches_the_owned_copy(brisk: Scene) -> None:
    brisk.apply()
    brisk.walk_to_running()
    brisk.kube.merge(brisk.core("secrets", "minio-credentials"), {"data": {"AWS_SECRET_ACCESS_KEY": encoded("new")}})

    def copied() -> bool:
        owned = brisk.kube.get(brisk.core("secrets", "mnist-storage")) or {}
        return bool(owned["data"]["AWS_SECRET_ACCESS_KEY"] == encoded("new"))

    wait_for(copied, "the owned Secret to follow")


@pytest.mark.parametrize(("rotated", "phase", "reason"), [(True, "Pending", "Retrying"), (False, "Failed", None)])
def test_a_trainer_refused_by_the_store_is_tried_again_only_if_its_credentials_have_changed(
    rotated: bool, phase: str, reason: str | None, brisk: Scene
) -> None:
    brisk.apply()
    brisk.walk_to_running()
    if rotated:
        path = brisk.core("secrets", "minio-credentials")
        brisk.kube.merge(path, {"data": {"AWS_SECRET_ACCESS_KEY": encoded("new")}})
    refused = {"reason": "StoreAccessDenied", "message": "the store refused the key", "retryable": False}
    brisk.kuberay.report("mnist", state="Failed", failure=refused)
    brisk.kuberay.job_ends("mnist-1", well=False)
    status = brisk.wait_status(phase=phase, reason=reason or refused["reason"])
    assert status["lastFailure"]["reason"] == refused["reason"]


ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@contextlib.contextmanager
def no_room_for_clusters(scene: Scene) -> Iterator[None]:
    """Refuse RayClusters in the words of a ResourceQuota, which the embedded server does not count.

    That these are its words is proven on a real cluster: tests/cluster/real/test_quota.py.
    """
    name = f"quota-{scene.namespace}"
    rule = {"apiGroups": ["ray.io"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["rayclusters"]}
    words = "exceeded quota: small, requested: count/rayclusters.ray.io=1, used: 0, limited: 0"
    refusal = {"expression": "false", "message": words, "reason": "Forbidden"}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [refusal]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}
    binding = {
        "policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": selector},
    }  # fmt: skip
    for plural, spec in (("validatingadmissionpolicies", policy), ("validatingadmissionpolicybindings", binding)):
        scene.kube.create(f"{ADMISSION}/{plural}", {"metadata": {"name": name}, "spec": spec})
    yield
    scene.kube.delete(f"{ADMISSION}/validatingadmissionpolicybindings/{name}")
    scene.kube.delete(f"{ADMISSION}/validatingadmissionpolicies/{name}")


def test_a_quota_that_is_used_up_is_told_and_waited_for(brisk: Scene) -> None:
    with no_room_for_clusters(brisk):
        brisk.apply()
        status = brisk.wait_status(phase="Pending", reason="QuotaExceeded")
        assert "exceeded quota: small" in status["message"]
        ready = next(item for item in status["conditions"] if item["type"] == "ClusterReady")
        assert (ready["status"], ready["reason"]) == ("False", "QuotaExceeded")
    brisk.wait_cluster()
    brisk.wait_status(phase="Provisioning")


def test_a_namespace_that_is_being_deleted_gets_nothing_new(brisk: Scene, brisk_operator: Any) -> None:
    brisk.apply("held")
    brisk.wait_cluster(name="held")
    brisk.kube.merge(f"{brisk.trainings}/held", {"metadata": {"finalizers": ["tests/hold"]}})
    brisk.kube.delete(f"/api/v1/namespaces/{brisk.namespace}")
    wait_for(lambda: brisk.kube.items(brisk.kuberay.clusters) == [], "the children to go")
    live = brisk.kube.get(f"{brisk.trainings}/held")
    assert live is not None
    assert live["metadata"]["deletionTimestamp"]
    brisk.kube.merge(f"{brisk.trainings}/held", {"metadata": {"finalizers": None}})
    wait_for(lambda: brisk.kube.get(f"/api/v1/namespaces/{brisk.namespace}") is None, "the namespace to go")
