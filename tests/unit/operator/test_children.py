"""The manifests that a training becomes."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_kube.objects import controller_uid
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.children import job as job_module
from mnist_operator.children import support
from mnist_operator.children.checks import spec_problems
from mnist_operator.children.cluster import ray_cluster, scale_patch
from mnist_operator.children.training import ANNOTATION_HASH, Installation, Training, cluster_name, job_name

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts" / "trainer.json").read_text())
INSTALLATION = Installation()


def training(spec: dict[str, Any] | None = None, **fields: Any) -> Training:
    return Training("mnist", "default", "uid-1", MnistTrainingSpec.model_validate(spec or {}), **fields)


def encoded(**values: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


SOURCE = {
    **encoded(AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key", AWS_ENDPOINT_URL="http://minio:9000", other="x"),
    "ca.crt": base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode(),
}


def pods(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    return [group["template"] for group in groups]


def all_children(owner: Training) -> list[dict[str, Any]]:
    return [
        support.storage_secret(owner, SOURCE),
        *support.service_accounts(owner),
        support.trainer_role(owner),
        support.trainer_role_binding(owner),
        ray_cluster(owner, "mnist-1", INSTALLATION),
        job_module.ray_job(owner, 1, "mnist-1", INSTALLATION),
    ]


@pytest.mark.parametrize("child", all_children(training()), ids=lambda child: child["kind"])
def test_every_child_is_owned_labelled_and_hashed(child: dict[str, Any]) -> None:
    metadata = child["metadata"]
    assert controller_uid(child) == "uid-1"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "mnist-operator"
    assert metadata["labels"]["mnist.training/training"] == "mnist"
    assert len(metadata["annotations"][ANNOTATION_HASH]) == 32
    assert len(metadata["name"]) <= 47


def test_no_credential_leaves_its_secret() -> None:
    source = encoded(
        AWS_ACCESS_KEY_ID="canary-id", AWS_SECRET_ACCESS_KEY="canary-key", AWS_SESSION_TOKEN="canary-token"
    )
    secret, *others = [support.storage_secret(training(), source), *all_children(training())[1:]]
    assert set(source.values()) <= set(secret["data"].values())
    text = json.dumps(others)
    for value in source.values():
        assert value not in text
        assert base64.b64decode(value).decode() not in text


def test_the_secret_is_normalised() -> None:
    owner = training({"storage": {"endpoint": "https://minio.example.org:9000"}})
    data = {
        key: base64.b64decode(value).decode() for key, value in support.storage_secret(owner, SOURCE)["data"].items()
    }
    assert data == {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_ENDPOINT_URL": "https://minio.example.org:9000",
        "AWS_REGION": "us-east-1",
        "MNIST_STORAGE_CA_PEM": "-----BEGIN CERTIFICATE-----",
    }
    assert set(data) <= set(CONTRACT["environment"]["storage"])


def test_credential_problems_name_keys_and_no_values() -> None:
    assert support.credential_problems(SOURCE) == []
    assert support.credential_problems({}) == [
        "key AWS_ACCESS_KEY_ID is missing",
        "key AWS_SECRET_ACCESS_KEY is missing",
    ]
    assert support.credential_problems({**SOURCE, "AWS_ACCESS_KEY_ID": ""}) == ["key AWS_ACCESS_KEY_ID is empty"]


def test_pods_meet_the_restricted_pod_security_standard() -> None:
    cluster = ray_cluster(training(), "mnist-1", INSTALLATION)
    job = job_module.ray_job(training(), 1, "mnist-1", INSTALLATION)
    for template in [*pods(cluster), job["spec"]["submitterPodTemplate"]]:
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["restartPolicy"] == "Never"
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
        assert all(set(volume) == {"name", "emptyDir"} for volume in spec["volumes"])


def test_the_cluster_is_one_head_that_trains_nothing_and_a_group_of_workers() -> None:
    cluster = ray_cluster(training({"workers": {"replicas": 8}}), "mnist-1", INSTALLATION)
    spec = cluster["spec"]
    assert spec["rayVersion"] == INSTALLATION.trainer_ray_version
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    (group,) = spec["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (8, 8, 8)
    for template in pods(cluster):
        assert template["spec"]["containers"][0]["envFrom"] == [{"secretRef": {"name": "mnist-storage"}}]


def test_the_head_may_use_the_api_and_workers_may_not() -> None:
    head, worker = pods(ray_cluster(training(), "mnist-1", INSTALLATION))
    assert (head["spec"]["serviceAccountName"], head["spec"]["automountServiceAccountToken"]) == ("mnist-head", True)
    assert (worker["spec"]["serviceAccountName"], worker["spec"]["automountServiceAccountToken"]) == (
        "mnist-worker",
        False,
    )
    binding = support.trainer_role_binding(training())
    assert [subject["name"] for subject in binding["subjects"]] == ["mnist-head"]


def test_the_trainers_rights_are_one_secret_and_one_status() -> None:
    assert support.trainer_role(training())["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mnist-storage"], "verbs": ["get"]},
        {
            "apiGroups": ["mnist.training"],
            "resources": ["mnisttrainings/status"],
            "resourceNames": ["mnist"],
            "verbs": ["patch"],
        },
    ]


def test_a_users_service_account_is_used_and_none_made() -> None:
    owner = training({"serviceAccount": {"create": False, "name": "team"}})
    assert support.service_accounts(owner) == []
    assert {pod["spec"]["serviceAccountName"] for pod in pods(ray_cluster(owner, "c", INSTALLATION))} == {"team"}


def test_the_entrypoint_is_the_contracts() -> None:
    owner = training(
        {
            "training": {"learningRate": 0.01, "targetAccuracy": 0.99},
            "workers": {"replicas": 2, "minReplicas": 1, "maxReplicas": 4},
            "code": {"module": "net:build", "archive": {"url": "s3://models/code/net.zip", "sha256": "0" * 64}},
        }
    )
    words = job_module.entrypoint(owner, 3)
    assert words[:2] == CONTRACT["entrypoint"]
    assert [word for word in words if word.startswith("--")] == CONTRACT["flags"]
    given_flags = dict(zip(words[2::2], words[3::2], strict=True))
    assert given_flags["--output"] == "s3://models/default/mnist/uid-1"
    assert given_flags["--attempt"] == "3"


PATTERN = MnistTrainingSpec.model_json_schema()["$defs"]["StorageSpec"]["properties"]["dataset"]["pattern"]


@given(st.from_regex(PATTERN, fullmatch=True).filter(lambda uri: not uri.endswith("\n")))
def test_no_address_that_the_api_accepts_needs_quoting_in_a_shell(uri: str) -> None:
    """KubeRay passes the entrypoint through one shell in HTTP mode and through two with a submitter."""
    owner = training({"storage": {"dataset": uri, "output": uri}})
    words = job_module.entrypoint(owner, 1)
    assert shlex.join(words) == " ".join(words)


def test_submission_modes() -> None:
    k8s = job_module.ray_job(training(), 1, "c", INSTALLATION)["spec"]
    http = job_module.ray_job(training({"submission": {"mode": "HTTP"}}), 1, "c", INSTALLATION)["spec"]
    assert (k8s["submissionMode"], http["submissionMode"]) == ("K8sJobMode", "HTTPMode")
    assert k8s["submitterPodTemplate"]["spec"]["restartPolicy"] == "Never"
    assert "submitterPodTemplate" not in http
    assert k8s["clusterSelector"] == {"ray.io/cluster": "c"}
    for refused in ("suspend", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        assert refused not in k8s


def test_worker_processes_preload_what_the_contract_names() -> None:
    _, worker = pods(ray_cluster(training(), "c", INSTALLATION))
    env = {item["name"]: item.get("value") for item in worker["spec"]["containers"][0]["env"]}
    assert env["RAY_preload_python_modules"] == ",".join(CONTRACT["preload"])


def test_gpus_are_asked_for_in_requests_and_limits() -> None:
    _, worker = pods(ray_cluster(training({"workers": {"gpusPerWorker": 1}}), "c", INSTALLATION))
    resources = worker["spec"]["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == 1


def test_a_template_is_laid_over_by_container_name() -> None:
    template = {
        "metadata": {"labels": {"team": "vision", "mnist.training/training": "other"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "containers": [
                {
                    "name": "ray-worker",
                    "env": [{"name": "HOME", "value": "/scratch"}],
                    "envFrom": [{"configMapRef": {"name": "extra"}}],
                },
                {"name": "sidecar", "image": "busybox"},
            ],
        },
    }
    _, worker = pods(ray_cluster(training({"workers": {"template": template}}), "c", INSTALLATION))
    ray, sidecar = worker["spec"]["containers"]
    assert worker["metadata"]["labels"]["team"] == "vision"
    assert worker["metadata"]["labels"]["mnist.training/training"] == "mnist", "our own labels stay"
    assert worker["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert [item for item in ray["env"] if item["name"] == "HOME"] == [{"name": "HOME", "value": "/scratch"}]
    assert ray["envFrom"] == [{"secretRef": {"name": "mnist-storage"}}, {"configMapRef": {"name": "extra"}}]
    assert sidecar["name"] == "sidecar"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"ray": {"version": "2.61.0"}}, "set spec.ray.image to an image with Ray 2.61.0"),
        ({"workers": {"template": {"spec": {"restartPolicy": "Always"}}}}, "restartPolicy must stay Never"),
        ({"head": {"template": {"containers": []}}}, "spec.head.template.containers is not a field of a pod template"),
        ({"head": {"template": {"spec": {"containers": {}}}}}, "spec.head.template.spec.containers must be a list"),
        (
            {"workers": {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}}},
            "spec.workers.resources.requests.cpu is more than its limit",
        ),
        (
            {
                "head": {
                    "template": {"spec": {"containers": [{"name": "ray-head", "env": [{"name": "REDIS_USERNAME"}]}]}}
                }
            },
            "KubeRay refuses the variable REDIS_USERNAME",
        ),
    ],
)
def test_what_cannot_work_is_said_before_kuberay_refuses_it(spec: dict[str, Any], sentence: str) -> None:
    (problem,) = spec_problems(training(spec), INSTALLATION)
    assert sentence in problem


def test_kueues_labels_go_on_the_cluster_and_not_on_the_job() -> None:
    owner = training(labels={"kueue.x-k8s.io/queue-name": "team", "other": "x"})
    assert ray_cluster(owner, "c", INSTALLATION)["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    assert "kueue.x-k8s.io/queue-name" not in job_module.ray_job(owner, 1, "c", INSTALLATION)["metadata"]["labels"]


def test_scaling_touches_only_the_numbers_of_our_group() -> None:
    live = ray_cluster(training({"workers": {"replicas": 2}}), "c", INSTALLATION)
    assert scale_patch(training({"workers": {"replicas": 2}}), live) == []
    patch = scale_patch(training({"workers": {"replicas": 3}}), live)
    assert patch[0] == {"op": "test", "path": "/spec/workerGroupSpecs/0/groupName", "value": "workers"}
    assert {item["path"].rsplit("/", 1)[1]: item["value"] for item in patch[1:]} == {
        "replicas": 3,
        "minReplicas": 3,
        "maxReplicas": 3,
    }


def test_the_autoscaler_keeps_its_replicas() -> None:
    spec = {"workers": {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}}
    live = ray_cluster(training(spec), "c", INSTALLATION)
    assert live["spec"]["enableInTreeAutoscaling"] is True
    live["spec"]["workerGroupSpecs"][0]["replicas"] = 4
    assert scale_patch(training(spec), live) == []


@given(st.uuids(), st.integers(1, 9999))
def test_a_clusters_name_is_its_own_and_short_enough_for_kuberay(uid: Any, attempt: int) -> None:
    owner = Training("m" * 42, "default", str(uid), MnistTrainingSpec())
    name = cluster_name(owner, attempt)
    assert len(name) <= 50
    assert name == cluster_name(owner, attempt)
    assert name != cluster_name(owner, attempt + 1)
    assert len(job_name(owner.name, attempt)) <= 47


def test_a_hash_changes_with_the_wish_and_only_with_it() -> None:
    first, second = (ray_cluster(training(), "c", INSTALLATION) for _ in range(2))
    other = ray_cluster(training({"ray": {"image": "mine:1"}}), "c", INSTALLATION)
    assert first["metadata"]["annotations"] == second["metadata"]["annotations"]
    assert first["metadata"]["annotations"] != other["metadata"]["annotations"]
