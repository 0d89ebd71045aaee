"""The chart's admission policy: everyone but the operator may change only `status.training`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.cluster import Cluster, new_namespace
from tests.support.installation import Installation
from tests.support.kube import Kube
from tests.support.manifests import of_kind, render_chart
from tests.support.wait import wait_for

from mnist_kube.errors import ApiError
from mnist_operator.api import crd
from mnist_operator.api.status import MnistTrainingStatus

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DENIED = 403
WHEN = "2026-01-01T00:00:00Z"
REPORT = {"attempt": 1, "runId": "r", "state": "Training", "updatedAt": WHEN}
# A value of every field but the trainer's, and another one.
FIELDS: dict[str, tuple[Any, Any]] = {
    "observedGeneration": (1, 2),
    "phase": ("Running", "Succeeded"),
    "reason": ("Running", "Succeeded"),
    "message": ("Training", "Done"),
    "conditions": (
        [{"type": "Accepted", "status": "True", "reason": "Ok", "lastTransitionTime": WHEN}],
        [{"type": "Accepted", "status": "False", "reason": "Ok", "lastTransitionTime": WHEN}],
    ),
    "attempt": (1, 2),
    "failures": (0, 1),
    "restarts": (0, 1),
    "lostWorkers": (1, 2),
    "countedRun": ({"runId": "r", "lostWorkers": 1}, {"runId": "r", "lostWorkers": 2}),
    "nextAttemptTime": (WHEN, "2027-01-01T00:00:00Z"),
    "rayCluster": ({"name": "a"}, {"name": "b"}),
    "rayJob": ({"name": "a"}, {"name": "a", "jobId": "x"}),
    "lastFailure": ({"attempt": 1, "reason": "A", "time": WHEN}, {"attempt": 1, "reason": "B", "time": WHEN}),
    "result": ({"accuracy": 0.5}, {"accuracy": 0.99, "model": "s3://elsewhere/model.safetensors"}),
    "startTime": (WHEN, "2027-01-01T00:00:00Z"),
    "completionTime": (WHEN, "2027-01-01T00:00:00Z"),
}


@dataclass
class Scene:
    """A training, the operator and a trainer, each with a token of its own."""

    path: str
    operator: Kube
    trainer: Kube

    def patch(self, identity: Kube, *operations: dict[str, Any]) -> int:
        """Patch the status; returns the answer's code."""
        try:
            identity.json_patch(f"{self.path}/status", list(operations))
        except ApiError as error:
            return error.status
        return 200

    def refuses_a_trainer(self) -> bool:
        """Whether a trainer may not write; each time something new, since what changes nothing is allowed."""
        return self.patch(self.trainer, {"op": "add", "path": "/status/message", "value": str(uuid.uuid4())}) == DENIED

    def reset(self, **status: Any) -> None:
        """Let the operator write a whole status."""
        assert self.patch(self.operator, {"op": "add", "path": "/status", "value": status}) == 200


@pytest.fixture(scope="module")
def scene(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The policy, limited to a namespace of its own."""
    folder = tmp_path_factory.mktemp("tokens")
    assert cluster.request("POST", CRDS, crd.custom_resource_definition()).status in {201, 409}
    with new_namespace(cluster) as namespace:
        objects = render_chart({"watchNamespaces": [namespace]}, name="mnist-operator", namespace=namespace)
        policy = of_kind(objects, "ValidatingAdmissionPolicy")[0]
        binding = of_kind(objects, "ValidatingAdmissionPolicyBinding")[0]
        cluster.expect(201, "POST", f"{ADMISSION}/validatingadmissionpolicies?fieldValidation=Strict", policy)
        cluster.expect(201, "POST", f"{ADMISSION}/validatingadmissionpolicybindings?fieldValidation=Strict", binding)
        try:
            tokens = Installation(cluster, namespace, "mnist-operator")
            made = Scene(
                f"/apis/mnist.training/v1alpha1/namespaces/{namespace}/mnisttrainings/t",
                *(tokens.client(folder, account(tokens, name)) for name in ("mnist-operator", "trainer")),
            )
            training = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "metadata": {"name": "t"}}
            wait_for(
                lambda: cluster.request("POST", made.path.removesuffix("/t"), {**training, "spec": {}}).status == 201,
                "a training to be taken",
            )
            made.reset()
            wait_for(made.refuses_a_trainer, "the policy to be in force", 30)
            made.reset()
            yield made
        finally:
            for kind, item in (("policies", policy), ("policybindings", binding)):
                cluster.request("DELETE", f"{ADMISSION}/validatingadmission{kind}/{item['metadata']['name']}")


def account(tokens: Installation, name: str) -> str:
    """Make a ServiceAccount that may patch the status. Return its token."""
    cluster, namespace = tokens.cluster, tokens.namespace
    objects = f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {name}}}
rules: [{{apiGroups: [mnist.training], resources: [mnisttrainings/status], verbs: [patch]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}
subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]
"""
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=objects)
    return tokens.token(name, namespace)


def test_every_field_has_its_values() -> None:
    fields = {info.alias or name for name, info in MnistTrainingStatus.model_fields.items()}
    assert set(FIELDS) == fields - {"training"}


@pytest.mark.parametrize("field", FIELDS)
def test_a_trainer_adds_changes_and_removes_nothing_of_the_operators(scene: Scene, field: str) -> None:
    value, other = FIELDS[field]
    path = f"/status/{field}"
    changes = [{"op": "replace", "path": path, "value": other}, {"op": "remove", "path": path}]
    scene.reset(**{field: value})
    for change in changes:
        assert scene.patch(scene.trainer, change) == DENIED, change
        with_report = {"op": "add", "path": "/status/training", "value": REPORT}
        assert scene.patch(scene.trainer, with_report, change) == DENIED, "nor beside a report"
    assert scene.patch(scene.trainer, {"op": "remove", "path": "/status"}) == DENIED
    scene.reset()
    assert scene.patch(scene.trainer, {"op": "add", "path": path, "value": value}) == DENIED
    assert scene.patch(scene.operator, {"op": "add", "path": path, "value": value}) == 200
    for change in changes:
        assert scene.patch(scene.operator, change) == 200, change


def test_a_trainer_claims_reports_and_lets_go(scene: Scene) -> None:
    scene.reset(phase="Running", attempt=1)
    claim = [
        {"op": "test", "path": "/status/attempt", "value": 1},
        {"op": "add", "path": "/status/training", "value": REPORT},
    ]
    report = [
        {"op": "test", "path": "/status/training/runId", "value": "r"},
        {"op": "replace", "path": "/status/training", "value": {**REPORT, "epoch": 1}},
    ]
    assert scene.patch(scene.trainer) == 200
    assert scene.patch(scene.trainer, *claim) == 200
    assert scene.patch(scene.trainer, *report) == 200
    assert scene.patch(scene.trainer, {"op": "remove", "path": "/status/training"}) == 200
