"""What users say about pods, identities and certificates arrives in what the operator makes."""

from __future__ import annotations

import base64

from tests.integration.operator.conftest import Scene

TEMPLATE = {
    "metadata": {"labels": {"team": "vision"}},
    "spec": {
        "priorityClassName": "batch-low",
        "nodeSelector": {"disk": "ssd"},
        "containers": [
            {"name": "ray-worker", "env": [{"name": "NCCL_DEBUG", "value": "INFO"}]},
            {"name": "sidecar", "image": "busybox"},
        ],
    },
}


def test_templates_pull_secrets_and_a_users_service_account_reach_the_pods(brisk: Scene) -> None:
    brisk.apply(
        spec={
            "workers": {"template": TEMPLATE},
            "ray": {"image": "registry.example.org/mine:1", "imagePullSecrets": [{"name": "registry"}]},
            "serviceAccount": {"create": False, "name": "team"},
        }
    )
    brisk.walk_to_running()
    cluster = brisk.kube.get(brisk.cluster_path())
    job = brisk.kube.get(f"{brisk.kuberay.jobs}/mnist-1")
    assert cluster is not None
    assert job is not None
    worker = cluster["spec"]["workerGroupSpecs"][0]["template"]
    head = cluster["spec"]["headGroupSpec"]["template"]
    submitter = job["spec"]["submitterPodTemplate"]
    assert worker["metadata"]["labels"]["team"] == "vision"
    assert (worker["spec"]["priorityClassName"], worker["spec"]["nodeSelector"]) == ("batch-low", {"disk": "ssd"})
    ray, sidecar = worker["spec"]["containers"]
    assert (ray["name"], sidecar["name"]) == ("ray-worker", "sidecar")
    assert {"name": "NCCL_DEBUG", "value": "INFO"} in ray["env"]
    assert {"name": "HOME", "value": "/tmp"} in ray["env"], "laid over, not put in its place"
    for template in (head, worker, submitter):
        assert template["spec"]["containers"][0]["image"] == "registry.example.org/mine:1"
        assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert template["spec"]["serviceAccountName"] == "team"
    accounts = {item["metadata"]["name"] for item in brisk.kube.items(brisk.core("serviceaccounts"))}
    assert not accounts & {"mnist-head", "mnist-worker"}, "none is made beside the user's"
    binding = brisk.kube.get(
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{brisk.namespace}/rolebindings/mnist-trainer"
    )
    assert binding is not None
    assert [subject["name"] for subject in binding["subjects"]] == ["team"]


def test_annotations_of_workload_identity_and_a_private_authority_reach_the_run(brisk: Scene) -> None:
    identity = {"iam.gke.io/gcp-service-account": "trainer@project.iam.gserviceaccount.com"}
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    ca = {"data": {"ca.crt": base64.b64encode(pem.encode()).decode()}}
    brisk.kube.merge(brisk.core("secrets", "minio-credentials"), ca)
    brisk.apply(spec={"serviceAccount": {"annotations": identity}})
    brisk.wait_cluster()
    for name in ("mnist-head", "mnist-worker"):
        account = brisk.kube.get(brisk.core("serviceaccounts", name))
        assert account is not None
        assert identity.items() <= account["metadata"]["annotations"].items()
    secret = brisk.kube.get(brisk.core("secrets", "mnist-storage"))
    assert secret is not None
    assert base64.b64decode(secret["data"]["MNIST_STORAGE_CA_PEM"]).decode() == pem


def test_a_template_changed_while_it_runs_takes_effect_at_the_next_attempt(brisk: Scene) -> None:
    brisk.apply()
    brisk.walk_to_running()
    first = brisk.cluster_path()
    brisk.change({"workers": {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}})
    brisk.kuberay.report(
        "mnist", state="Failed", failure={"reason": "StoreUnreachable", "message": "away", "retryable": True}
    )
    live = brisk.kube.get(first)
    assert live is not None
    assert "nodeSelector" not in live["spec"]["workerGroupSpecs"][0]["template"]["spec"], "not under a running job"
    brisk.kuberay.job_ends("mnist-1", well=False)
    brisk.wait_status(attempt=2)
    cluster = brisk.wait_cluster(2)
    assert cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert brisk.kube.get(first) is None
