"""Trainings on a RayCluster that is not theirs: several at a time, never changed, never deleted."""

from __future__ import annotations

from tests.integration.operator.conftest import Scene
from tests.support.wait import wait_for

from mnist_kube.objects import Object

SHARED = {"clusterRef": {"name": "shared"}}


def share(scene: Scene, version: str = "2.60.0", **resources: str) -> Object:
    """Somebody's RayCluster with one group of two workers."""
    pod = {"spec": {"serviceAccountName": "team", "containers": [{"name": "ray", "image": "none"}]}}
    group = {"groupName": "g", "replicas": 2, "minReplicas": 2, "maxReplicas": 2, "template": pod}
    spec = {
        "rayVersion": version,
        "headGroupSpec": {"rayStartParams": {}, "template": pod},
        "workerGroupSpecs": [group],
    }
    body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "shared"}, "spec": spec}
    scene.kube.create(scene.kuberay.clusters, body)
    # All at once, as KubeRay does: a cluster that is ready and does not say what it offers yet would be used.
    return scene.kuberay.cluster_ready("shared", **resources)


def test_several_trainings_use_one_cluster_and_leave_it_as_it_was(brisk: Scene) -> None:
    before = share(brisk)
    for name in ("one", "two"):
        brisk.apply(name, SHARED)
        brisk.wait_exists(f"{brisk.kuberay.jobs}/{name}-1")
        brisk.kuberay.job_runs(f"{name}-1")
        brisk.wait_status(name, phase="Running")
    binding = brisk.kube.get(
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{brisk.namespace}/rolebindings/one-trainer"
    )
    assert binding is not None
    assert [subject["name"] for subject in binding["subjects"]] == ["team"], "the driver has the cluster's identity"
    assert brisk.kube.get(brisk.core("serviceaccounts", "one-head")) is None

    # The second has its workers; the first waits for room, and says so.
    brisk.kuberay.report("two", state="Training", workers=2)
    brisk.kuberay.job("one-1", "Running", "RUNNING", rayJobInfo={"startTime": "2026-01-01T00:00:00Z"})
    brisk.kuberay.report("one", state="LoadingData")
    status = brisk.wait_status("one", phase="Running", reason="WaitingForWorkers")
    assert status["message"] == "Waiting for 2 workers on RayCluster shared, which other trainings may be using"

    brisk.kuberay.seal("two")
    brisk.kuberay.job_ends("two-1", well=True)
    brisk.wait_status("two", phase="Succeeded")
    brisk.kuberay.report("one", state="Training", workers=2)
    brisk.wait_status("one", reason="Running", message="Training on 2 workers")
    brisk.kube.delete(f"{brisk.trainings}/one")
    wait_for(lambda: brisk.kube.get(f"{brisk.kuberay.jobs}/one-1") is None, "its job to go with it")
    after = brisk.kube.get(f"{brisk.kuberay.clusters}/shared")
    assert after is not None
    assert (after["metadata"], after["spec"]) == (before["metadata"], before["spec"])


def test_a_missing_or_unfit_cluster_is_told(brisk: Scene) -> None:
    brisk.apply(spec=SHARED)
    missing = brisk.wait_status(phase="Pending", reason="ClusterNotFound")
    assert "RayCluster shared, named in spec.clusterRef, does not exist" in missing["message"]
    share(brisk, desiredCPU="1")
    unfit = brisk.wait_status(phase="Pending", reason="ClusterUnfit")
    assert "RayCluster shared has 1 CPUs in all, and 2 workers need 2" in unfit["message"]
    brisk.kube.merge(f"{brisk.kuberay.clusters}/shared/status", {"status": {"desiredCPU": "4"}})
    brisk.wait_exists(f"{brisk.kuberay.jobs}/mnist-1")
