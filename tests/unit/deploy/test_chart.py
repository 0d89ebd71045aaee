"""The Helm chart: what it makes of which values."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import helm_python
import pytest
import yaml
from tests.support.manifests import CHART, of_kind, pod_specs

from mnist_operator import rights
from mnist_operator.api import crd
from mnist_operator.api.status import MnistTrainingStatus
from mnist_operator.settings import Settings

CREDENTIALS = {"accessKeyId": "id", "secretAccessKey": "key", "namespaces": ["team-a"]}
EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "ml"},
    "imagePullSecrets": [{"name": "pull"}],
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"a": "b"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraEnv": [{"name": "X", "value": "y"}],
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "serviceAccount": {"annotations": {"e": "f"}},
    "networkPolicy": {"egress": {"enabled": True}, "metricsFrom": [{"namespaceSelector": {}}]},
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prom"}},
        "podMonitor": {"enabled": True, "labels": {"release": "prom"}},
        "prometheusRule": {"enabled": True},
        "dashboards": {"enabled": True, "annotations": {"folder": "ML"}},
    },
    "defaultStore": {"create": True, "endpoint": "https://s3.example.org", "caCert": "-----BEGIN", **CREDENTIALS},
    "minio": {"enabled": True, "namespaces": ["team-b"], "size": "5Gi", "storageClassName": "fast"},
}
COMBINATIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "namespaces": {
        "watchNamespaces": ["team-a", "team-b"],
        "networkPolicy": {"trainings": {"enabled": True, "trustedNamespaces": {"kuberay": "yes"}}},
        "metrics": {"podMonitor": {"enabled": True}},
    },
    "portal": {
        "portal": {
            "enabled": True,
            "hosts": ["portal.example.org"],
            "namespaces": ["team-a"],
            "stores": ["minio.example.org"],
            "ingress": {"enabled": True, "className": "nginx", "annotations": {"a": "b"}, "tlsSecret": "portal-tls"},
            "gateway": {"enabled": True, "parentRefs": [{"name": "gate"}]},
            "rayDashboards": {"host": "ray.example.org"},
            "networkPolicy": {"from": [{"namespaceSelector": {}}], "egress": True},
            "serviceMonitor": {"enabled": True, "labels": {"release": "prom"}},
        },
    },
    "portal behind a proxy": {
        "portal": {
            "enabled": True,
            "hosts": ["portal.example.org:8443"],
            "auth": {
                "mode": "header",
                "proxySecret": "proxy",
                "impersonateUsers": ["ada"],
                "impersonateGroups": ["ml"],
            },
        },
    },
    "bare": {
        "crds": {"install": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "given"},
        "userRoles": {"create": False},
        "admissionPolicy": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "metrics": {"service": {"enabled": False}},
    },
    "mirror": {
        "imageRegistry": "registry.example.org/mirror",
        "image": {"digest": "sha256:" + "a" * 64},
        "trainer": {"image": {"tag": "0.1.0-cuda"}},
    },
}
each = pytest.mark.parametrize("values", COMBINATIONS.values(), ids=COMBINATIONS.keys())


@each
def test_lint_is_clean(values: dict[str, Any], lint: Callable[..., list[str]]) -> None:
    assert lint(values) == []


@each
def test_objects_have_unique_names_and_our_labels(values: dict[str, Any], render: Callable[..., list[Any]]) -> None:
    objects = render(values)
    keys = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects]
    assert len(keys) == len(set(keys))
    for item in objects:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "mnist-training"
        assert labels["helm.sh/chart"].startswith("mnist-operator-")
        assert "team" not in values.get("commonLabels", {}) or labels["team"] == "ml"


@each
def test_pods_meet_the_restricted_standard(values: dict[str, Any], render: Callable[..., list[Any]]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pods = pod_specs(render(values))
    assert pods
    for name, pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", name
        kinds = {kind for volume in pod.get("volumes", []) for kind in set(volume) - {"name"}}
        assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}, name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"]["drop"] == ["ALL"], name
            assert context["readOnlyRootFilesystem"] is True, name
            assert container["resources"]["limits"]["memory"], name


def test_the_operators_environment_is_what_it_reads(render: Callable[..., list[Any]]) -> None:
    deployment = of_kind(render({"watchNamespaces": ["a", "b"], "operator": {"logLevel": "DEBUG"}}), "Deployment")[0]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    given = {item["name"].removeprefix("MNIST_OPERATOR_").lower(): item["value"] for item in container["env"]}
    assert set(given) <= set(Settings.model_fields)
    settings = Settings.model_validate(given)
    assert settings.namespaces == ("a", "b")
    assert settings.log_level == "DEBUG"
    assert (settings.lease_namespace, settings.lease_name) == ("mnist-system", "mnist-operator")
    assert settings.trainer_image == Settings().trainer_image
    assert settings.trainer_ray_version == Settings().trainer_ray_version
    assert settings.health_port == container["ports"][0]["containerPort"]


def test_rights_are_the_operators_own_list(render: Callable[..., list[Any]]) -> None:
    everywhere = [*rights.NAMESPACED_RULES, *rights.CLUSTER_RULES]
    assert of_kind(render(), "ClusterRole", "mnist-operator")[0]["rules"] == everywhere
    roles = {role["metadata"]["namespace"]: role for role in of_kind(render({"watchNamespaces": ["a", "b"]}), "Role")}
    assert {name: role["rules"] for name, role in roles.items()} == {
        "a": list(rights.NAMESPACED_RULES),
        "b": list(rights.NAMESPACED_RULES),
        "mnist-system": list(rights.OWN_NAMESPACE_RULES),
    }


def test_an_install_for_namespaces_has_no_cluster_wide_rights(render: Callable[..., list[Any]]) -> None:
    objects = render({"watchNamespaces": ["team-a"]})
    assert not of_kind(objects, "ClusterRole")
    assert not of_kind(objects, "ClusterRoleBinding")
    binding = of_kind(objects, "RoleBinding", "mnist-operator")[0]
    assert binding["metadata"]["namespace"] == "team-a"
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "mnist-operator", "namespace": "mnist-system"}
    ]  # it runs in one namespace and has its rights in another
    selector = of_kind(objects, "ValidatingAdmissionPolicyBinding")[0]["spec"]["matchResources"]["namespaceSelector"]
    assert selector["matchExpressions"][0]["values"] == ["team-a"]


def test_two_installs_for_namespaces_share_no_name(render: Callable[..., list[Any]]) -> None:
    """Else the second one could not be installed."""

    def cluster_scoped(namespace: str) -> set[tuple[str, str]]:
        objects = render({"watchNamespaces": [namespace], "crds": {"install": False}}, namespace=namespace)
        return {(item["kind"], item["metadata"]["name"]) for item in objects if not item["metadata"].get("namespace")}

    assert cluster_scoped("team-a")
    assert not cluster_scoped("team-a") & cluster_scoped("team-b")


def test_the_crd_is_the_generated_one_and_is_kept(render: Callable[..., list[Any]]) -> None:
    kept = of_kind(render(), "CustomResourceDefinition")[0]
    assert kept["spec"] == crd.custom_resource_definition()["spec"]
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in of_kind(render({"crds": {"keep": False}}), "CustomResourceDefinition")[0]["metadata"]


def test_the_admission_policy_guards_every_field_but_the_trainers(render: Callable[..., list[Any]]) -> None:
    policy = of_kind(render(), "ValidatingAdmissionPolicy")[0]["spec"]
    guarded = {rule["expression"].split("?")[-1] for rule in policy["validations"]}
    fields = {info.alias or name for name, info in MnistTrainingStatus.model_fields.items()}
    assert guarded == fields - {"training"}
    assert '"system:serviceaccount:mnist-system:mnist-operator"' in policy["matchConditions"][0]["expression"]


def test_user_roles_write_no_status(render: Callable[..., list[Any]]) -> None:
    roles = [role for role in of_kind(render(), "ClusterRole") if role["metadata"]["name"] != "mnist-operator"]
    assert {role["metadata"]["name"] for role in roles} == {f"mnist-operator-{n}" for n in ("view", "edit", "admin")}
    for role in roles:
        rules = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
        assert rules["mnisttrainings/status"] == {"get"}
        read_only = rules["mnisttrainings"] == {"get", "list", "watch"}
        assert read_only == role["metadata"]["name"].endswith("-view")


def test_images(render: Callable[..., list[Any]]) -> None:
    pod = of_kind(render(COMBINATIONS["mirror"]), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert pod["image"] == "registry.example.org/mirror/mnist-training/operator@sha256:" + "a" * 64
    trainer = {item["name"]: item["value"] for item in pod["env"]}["MNIST_OPERATOR_TRAINER_IMAGE"]
    assert trainer == "registry.example.org/mirror/mnist-training/trainer:0.1.0-cuda"


def test_a_changed_loading_job_gets_another_name(render: Callable[..., list[Any]]) -> None:
    """A Job cannot be changed in place: an upgrade would fail."""

    def job(**minio: Any) -> str:
        values = {"minio": {"enabled": True, "rootPassword": "x" * 8, **minio}}
        return str(of_kind(render(values), "Job")[0]["metadata"]["name"])

    assert job() == job()
    assert job() != job(dataset="s3://datasets/other")


def test_credentials_are_in_secrets_alone(render: Callable[..., list[Any]]) -> None:
    values = copy.deepcopy(EVERYTHING)
    values["minio"]["rootPassword"] = "canary-minio"
    values["defaultStore"]["secretAccessKey"] = "canary-store"
    for item in render(values):
        assert item["kind"] == "Secret" or "canary" not in yaml.safe_dump(item)
    secrets = {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in of_kind(render(values), "Secret")}
    assert ("team-a", "minio-credentials") in secrets
    assert ("team-b", "minio-credentials") in secrets


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"imagee": {}}, "imagee"),
        ({"operator": {"workers": 0}}, "workers"),
        ({"operator": {"logLevel": "LOUD"}}, "logLevel"),
        ({"watchNamespaces": ["Not_A_Name"]}, "watchNamespaces"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name is needed"),
        ({"networkPolicy": {"trainings": {"enabled": True}}}, "needs watchNamespaces"),
        ({"defaultStore": {"create": True}}, "defaultStore"),
        ({"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}}, "metrics.service.enabled"),
        ({"minio": {"rootPassword": "short"}}, "rootPassword"),
    ],
)
def test_values_that_cannot_work_are_refused(
    values: dict[str, Any], message: str, render: Callable[..., list[Any]]
) -> None:
    with pytest.raises(helm_python.HelmError, match=message):
        render(values)


def test_the_schema_knows_every_value() -> None:
    with helm_python.Chart.load(CHART) as chart:
        values, schema = chart.values, chart.schema
    assert schema is not None

    def missing(value: Any, part: dict[str, Any], path: str) -> list[str]:
        known = part.get("properties")
        if not isinstance(value, dict) or known is None:
            return []
        return [
            problem
            for key, item in value.items()
            for problem in ([f"{path}.{key}"] if key not in known else missing(item, known[key], f"{path}.{key}"))
        ]

    assert missing(values, schema, "") == []
