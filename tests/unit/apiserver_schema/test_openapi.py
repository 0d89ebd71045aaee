import json
import re

import pytest

from mnist_local.apiserver.schema.builtin import builtin_schema
from mnist_local.apiserver.schema.openapi import ServedKind, openapi_v2, openapi_v3

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM = {
    "type": "object",
    "description": "Trains.",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["epochs"],
            "properties": {
                "epochs": {"type": "integer", "description": "How often.", "default": 5, "nullable": True},
                "size": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            },
        }
    },
}
KINDS = [
    ServedKind("mnist.training", "v1alpha1", "MnistTraining", "mnisttrainings", True, CUSTOM, VERBS, True),
    ServedKind("", "v1", "Pod", "pods", True, None, VERBS, True),
    ServedKind("", "v1", "Namespace", "namespaces", False, None, VERBS, True),
    ServedKind("events.k8s.io", "v1", "Event", "events", True, None, VERBS, False),
    ServedKind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", False, None, ("create",), False),
]


def references(document):
    return set(re.findall(r'"#/(?:components/schemas|definitions)/([^"]+)"', json.dumps(document)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_every_reference_resolves(kind):
    document = openapi_v3(kind.group, kind.version, KINDS)
    assert references(document) <= set(document["components"]["schemas"])


def test_every_reference_of_v2_resolves():
    document = openapi_v2(KINDS)
    assert references(document) <= set(document["definitions"])
    assert "#/components" not in json.dumps(document)
    epochs = document["definitions"]["training.mnist.v1alpha1.MnistTraining"]["properties"]["spec"]["properties"]
    assert epochs == {
        "epochs": {"type": "integer", "description": "How often."},
        "size": {"x-kubernetes-int-or-string": True},
    }


def test_what_kubectl_explain_looks_for():
    document = openapi_v3("mnist.training", "v1alpha1", KINDS)
    get = document["paths"]["/apis/mnist.training/v1alpha1/namespaces/{namespace}/mnisttrainings"]["get"]
    gvk = {"group": "mnist.training", "version": "v1alpha1", "kind": "MnistTraining"}
    assert get["x-kubernetes-group-version-kind"] == gvk
    assert get["x-kubernetes-action"] == "list"
    [schema] = [
        s for s in document["components"]["schemas"].values() if gvk in s.get("x-kubernetes-group-version-kind", ())
    ]
    assert schema["description"] == "Trains."
    assert schema["properties"]["spec"]["properties"]["epochs"]["description"] == "How often."
    assert set(schema["properties"]) == {"apiVersion", "kind", "metadata", "spec"}


def test_what_kubectl_apply_looks_for():
    document = openapi_v3("", "v1", KINDS)
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert {p["name"] for p in patch["parameters"]} >= {"dryRun", "fieldManager", "fieldValidation", "force"}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    pod_spec = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]
    assert pod_spec["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert pod_spec["properties"]["containers"]["x-kubernetes-list-map-keys"] == ["name"]
    assert pod_spec["properties"]["nodeSelector"]["x-kubernetes-map-type"] == "atomic"
    assert pod_spec["required"] == ["containers"]
    assert pod_spec["properties"]["terminationGracePeriodSeconds"]["format"] == "int64"


def test_custom_resources_take_no_strategic_patches():
    document = openapi_v3("mnist.training", "v1alpha1", KINDS)
    path = "/apis/mnist.training/v1alpha1/namespaces/{namespace}/mnisttrainings/{name}"
    assert sorted(document["paths"][path]["patch"]["requestBody"]["content"]) == [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ]
    assert "patch" in document["paths"][f"{path}/status"]


def test_paths_follow_verbs_and_scope():
    paths = openapi_v3("authentication.k8s.io", "v1", KINDS)["paths"]
    assert {path: set(item) - {"parameters"} for path, item in paths.items()} == {
        "/apis/authentication.k8s.io/v1/tokenreviews": {"post"}
    }
    assert "/api/v1/namespaces/{name}" in openapi_v3("", "v1", KINDS)["paths"]


def test_only_the_groups_own_kinds():
    schemas = openapi_v3("events.k8s.io", "v1", KINDS)["components"]["schemas"]
    assert "io.k8s.api.events.v1.Event" in schemas
    assert "io.k8s.api.core.v1.Pod" not in schemas


def test_published_types_are_those_that_are_checked():
    document = openapi_v3("", "v1", KINDS)
    published = document["components"]["schemas"]["io.k8s.api.core.v1.Container"]["properties"]
    checked = builtin_schema("", "v1", "Pod").root.properties["spec"].properties["containers"].items.properties
    assert list(published) == list(checked)
    assert {n: s.get("type") for n, s in published.items() if "type" in s} == {
        n: node.type for n, node in checked.items() if node.type and "model" not in node.source
    }
