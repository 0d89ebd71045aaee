"""JSON, merge and strategic patches, and the status subresource."""

import pytest
from tests.support.cluster import JSON_PATCH, MERGE, STRATEGIC, Cluster


@pytest.fixture
def stored(cluster: Cluster, namespace: str) -> str:
    """The path of a new widget."""
    spec = {"size": 3, "note": "hey", "tags": {"a": "b"}}
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one", spec))
    return cluster.widgets(namespace, "one")


def test_json_patch(cluster: Cluster, stored: str) -> None:
    patch = [
        {"op": "test", "path": "/spec/size", "value": 3},
        {"op": "replace", "path": "/spec/size", "value": 4},
        {"op": "add", "path": "/spec/tags/c~1d", "value": "e"},
        {"op": "remove", "path": "/spec/note"},
        {"op": "add", "path": "/spec/note", "value": "new"},
        {"op": "add", "path": "/spec/parts", "value": [{"name": "x"}]},
        {"op": "add", "path": "/spec/parts/-", "value": {"name": "y", "count": 2}},
    ]
    spec = cluster.expect(200, "PATCH", stored, patch, content_type=JSON_PATCH).body["spec"]
    assert spec == {
        "size": 4, "color": "red", "note": "new", "tags": {"a": "b", "c/d": "e"},
        "parts": [{"name": "x", "count": 1}, {"name": "y", "count": 2}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "test", "path": "/spec/size", "value": 7}],
        [{"op": "test", "path": "/metadata/uid", "value": "another"}],
        [{"op": "test", "path": "/spec/none", "value": 1}],
        [{"op": "remove", "path": "/spec/none"}],
        [{"op": "add", "path": "/spec/none/below", "value": 1}],
        [{"op": "zap", "path": "/spec/size"}],
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused_whole(cluster: Cluster, stored: str, patch: list) -> None:
    before = cluster.expect(200, "GET", stored).body
    both = [{"op": "replace", "path": "/spec/size", "value": 9}, *patch]
    refused = cluster.expect(422, "PATCH", stored, both, content_type=JSON_PATCH).body
    assert refused["reason"] == "Invalid"
    assert refused["message"] == "the server rejected our request due to an error in our request"
    assert cluster.expect(200, "GET", stored).body == before


def test_merge_patch(cluster: Cluster, stored: str) -> None:
    patch = {"metadata": {"labels": {"x": "y"}}, "spec": {"color": None, "size": 5, "tags": {"a": None, "n": "m"}}}
    body = cluster.expect(200, "PATCH", stored, patch, content_type=MERGE).body
    assert body["spec"] == {"size": 5, "color": "red", "note": "hey", "tags": {"n": "m"}}
    assert body["metadata"]["labels"] == {"x": "y"}
    body = cluster.expect(200, "PATCH", stored, {"metadata": {"labels": None}}, content_type=MERGE).body
    assert "labels" not in body["metadata"]


def test_a_patch_with_a_stale_version_conflicts(cluster: Cluster, stored: str) -> None:
    patch = {"metadata": {"resourceVersion": "1"}, "spec": {"size": 9}}
    assert cluster.expect(409, "PATCH", stored, patch, content_type=MERGE).body["reason"] == "Conflict"


def test_strategic_patches_merge_lists_by_key(cluster: Cluster, namespace: str) -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": "one"}, {"name": "b", "image": "two"}]},
    }
    cluster.expect(201, "POST", cluster.core(namespace, "pods"), pod)
    patch = {"spec": {"containers": [{"name": "b", "image": "three"}]}}
    path = cluster.core(namespace, "pods", "p")
    containers = cluster.expect(200, "PATCH", path, patch, content_type=STRATEGIC).body["spec"]["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("a", "one"), ("b", "three")]


def test_the_status_is_written_apart(cluster: Cluster, namespace: str) -> None:
    sent = {**cluster.widget("one"), "status": {"phase": "Sneaked in"}}
    assert "status" not in cluster.expect(201, "POST", cluster.widgets(namespace), sent).body
    path = cluster.widgets(namespace, "one")
    both = {"metadata": {"labels": {"a": "b"}}, "spec": {"size": 7}, "status": {"phase": "Up", "count": 1}}
    body = cluster.expect(200, "PATCH", path + "/status", both, content_type=MERGE).body
    assert body["status"] == {"phase": "Up", "count": 1}
    assert body["spec"]["size"] == 1
    assert "labels" not in body["metadata"]
    assert body["metadata"]["generation"] == 1
    body = cluster.expect(200, "PATCH", path, {**both, "status": {"phase": "Down"}}, content_type=MERGE).body
    assert body["status"] == {"phase": "Up", "count": 1}
    assert body["spec"]["size"] == 7
    assert body["metadata"]["labels"] == {"a": "b"}
    assert body["metadata"]["generation"] == 2
    assert cluster.expect(200, "GET", path + "/status").body == body


def test_the_status_is_replaced_by_an_update(cluster: Cluster, stored: str) -> None:
    body = cluster.expect(200, "GET", stored).body
    body["status"] = {"phase": "Up"}
    body["spec"]["size"] = 9
    body = cluster.expect(200, "PUT", stored + "/status", body).body
    assert (body["status"], body["spec"]["size"]) == ({"phase": "Up"}, 3)
    stale = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
    cluster.expect(409, "PUT", stored + "/status", stale)


def test_a_status_is_validated(cluster: Cluster, stored: str) -> None:
    answer = cluster.expect(422, "PATCH", stored + "/status", {"status": {"count": "x"}}, content_type=MERGE)
    assert "status.count" in answer.fields
