"""Server-side apply: ownership of fields, conflicts, and what managedFields say."""

import json

import pytest
from tests.support.cluster import APPLY, MERGE, Cluster


def apply(cluster: Cluster, where: str, manifest: dict, manager: str = "one", status: int = 200, **query: str):
    joined = "".join(f"&{key}={value}" for key, value in query.items())
    return cluster.expect(
        status, "PATCH", f"{where}?fieldManager={manager}{joined}", json.dumps(manifest), content_type=APPLY
    )


@pytest.fixture
def new_path(cluster: Cluster, namespace: str) -> str:
    """The path of a widget that does not exist yet."""
    return cluster.widgets(namespace, "w")


def managers(body: dict) -> dict[tuple[str, str, str], dict]:
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in body["metadata"]["managedFields"]
    }


def test_apply_creates_and_updates(cluster: Cluster, new_path: str) -> None:
    made = apply(cluster, new_path, cluster.widget("w", {"size": 2}), status=201).body
    assert made["spec"] == {"size": 2, "color": "red"}
    assert managers(made) == {("one", "Apply", ""): {"f:spec": {"f:size": {}}}}
    entry = made["metadata"]["managedFields"][0]
    assert entry["apiVersion"] == f"{cluster.widget_group}/v1"
    assert entry["fieldsType"] == "FieldsV1"
    changed = apply(cluster, new_path, cluster.widget("w", {"size": 3, "note": "n"})).body
    assert changed["spec"] == {"size": 3, "color": "red", "note": "n"}
    assert changed["metadata"]["generation"] == 2


def test_applying_again_changes_nothing(cluster: Cluster, new_path: str) -> None:
    made = apply(cluster, new_path, cluster.widget("w"), status=201).body
    again = apply(cluster, new_path, cluster.widget("w")).body
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_what_is_applied_no_more_goes(cluster: Cluster, new_path: str) -> None:
    apply(cluster, new_path, cluster.widget("w", {"size": 2, "tags": {"a": "1", "b": "2"}}), status=201)
    spec = apply(cluster, new_path, cluster.widget("w", {"size": 2, "tags": {"a": "1"}})).body["spec"]
    assert spec["tags"] == {"a": "1"}


def test_two_managers_conflict_over_a_field(cluster: Cluster, new_path: str) -> None:
    apply(cluster, new_path, cluster.widget("w", {"size": 2}), status=201)
    answer = apply(cluster, new_path, cluster.widget("w", {"size": 5}), "two", 409)
    assert answer.body["reason"] == "Conflict"
    assert answer.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.size'
    assert answer.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.size"}
    ]
    taken = apply(cluster, new_path, cluster.widget("w", {"size": 5}), "two", force="true").body
    assert taken["spec"]["size"] == 5
    assert managers(taken) == {("two", "Apply", ""): {"f:spec": {"f:size": {}}}}


def test_lists_are_merged_by_their_key(cluster: Cluster, new_path: str) -> None:
    apply(cluster, new_path, cluster.widget("w", {"size": 1, "parts": [{"name": "a", "count": 3}]}), status=201)
    spec = apply(cluster, new_path, cluster.widget("w", {"size": 1, "parts": [{"name": "b"}]}), "two").body["spec"]
    assert spec["parts"] == [{"name": "a", "count": 3}, {"name": "b", "count": 1}]


def test_ordinary_writes_own_what_they_change(cluster: Cluster, namespace: str, new_path: str) -> None:
    cluster.expect(201, "POST", cluster.widgets(namespace) + "?fieldManager=maker", cluster.widget("w"))
    patched = cluster.expect(
        200, "PATCH", new_path + "?fieldManager=patcher", {"spec": {"note": "x"}}, content_type=MERGE
    ).body
    assert managers(patched) == {
        ("maker", "Update", ""): {"f:spec": {".": {}, "f:color": {}, "f:size": {}}},
        ("patcher", "Update", ""): {"f:spec": {"f:note": {}}},
    }
    status = cluster.expect(
        200, "PATCH", new_path + "/status?fieldManager=op", {"status": {"phase": "Up"}}, content_type=MERGE
    ).body
    assert managers(status)[("op", "Update", "status")] == {"f:status": {".": {}, "f:phase": {}}}
    refused = apply(cluster, new_path, cluster.widget("w", {"size": 9}), "three", 409).body
    assert f'conflict with "maker" using {cluster.widget_group}/v1: .spec.size' in refused["message"]


def test_status_is_applied_through_its_subresource(cluster: Cluster, new_path: str) -> None:
    apply(cluster, new_path, {**cluster.widget("w"), "status": {"phase": "No"}}, status=201)
    manifest = {"apiVersion": f"{cluster.widget_group}/v1", "kind": "Widget", "metadata": {"name": "w"}}
    body = apply(cluster, new_path + "/status", {**manifest, "status": {"phase": "Up"}}, "op").body
    assert body["status"] == {"phase": "Up"}
    assert managers(body)[("op", "Apply", "status")] == {"f:status": {"f:phase": {}}}


def test_a_manager_must_be_named(cluster: Cluster, new_path: str) -> None:
    answer = cluster.expect(422, "PATCH", new_path, json.dumps(cluster.widget("w")), content_type=APPLY)
    assert answer.fields == {"fieldManager"}
    answer = cluster.expect(422, "PATCH", new_path + "?force=true", {}, content_type=MERGE)
    assert answer.fields == {"force"}


def test_an_apply_is_validated(cluster: Cluster, new_path: str) -> None:
    answer = apply(cluster, new_path, cluster.widget("w", {"size": 0}), status=422)
    assert answer.fields == {"spec.size"}
    cluster.expect(404, "GET", new_path)
