"""Create, read, update, delete: identity, versions, conflicts, dry runs, and the words of refusals."""

import re

import pytest
from tests.support.cluster import MERGE, Cluster

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap"}


def config_map(name: str, **more):
    return {**CONFIG, "metadata": {"name": name, **more.pop("metadata", {})}, **more}


def test_create_sets_what_only_the_server_sets(cluster: Cluster, namespace: str) -> None:
    sent = config_map("one", data={"a": "b"}, metadata={"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"})
    made = cluster.expect(201, "POST", cluster.core(namespace, "configmaps"), sent).body
    metadata = made["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert metadata["creationTimestamp"] > "2020"
    assert metadata["namespace"] == namespace
    assert int(metadata["resourceVersion"]) > 0
    assert "generation" not in metadata
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"a": "b"})
    assert cluster.expect(200, "GET", cluster.core(namespace, "configmaps", "one")).body == made


def test_a_second_object_of_the_name_is_refused(cluster: Cluster, namespace: str) -> None:
    path = cluster.core(namespace, "configmaps")
    cluster.expect(201, "POST", path, config_map("one"))
    refused = cluster.expect(409, "POST", path, config_map("one")).body
    assert refused["kind"] == "Status"
    assert refused["reason"] == "AlreadyExists"
    assert refused["message"] == 'configmaps "one" already exists'
    assert refused["details"] == {"name": "one", "kind": "configmaps"}


def test_missing_objects_are_not_found(cluster: Cluster, namespace: str) -> None:
    refused = cluster.expect(404, "GET", cluster.widgets(namespace, "none")).body
    assert refused["reason"] == "NotFound"
    assert refused["message"] == f'widgets.{cluster.widget_group} "none" not found'
    assert refused["details"] == {"name": "none", "group": cluster.widget_group, "kind": "widgets"}
    for method, body in (("DELETE", None), ("PATCH", {})):
        cluster.expect(404, method, cluster.widgets(namespace, "none"), body, content_type=MERGE)


def test_a_namespace_must_exist(cluster: Cluster) -> None:
    refused = cluster.expect(404, "POST", cluster.core("no-such-namespace", "configmaps"), config_map("one")).body
    assert refused["message"] == 'namespaces "no-such-namespace" not found'


def test_names_are_made_from_a_prefix(cluster: Cluster, namespace: str) -> None:
    sent = {**CONFIG, "metadata": {"generateName": "some-"}}
    names = {
        cluster.expect(201, "POST", cluster.core(namespace, "configmaps"), sent).body["metadata"]["name"]
        for _ in range(3)
    }
    assert len(names) == 3
    assert all(re.fullmatch(r"some-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"labels": {"a": "not a value"}}, "metadata.labels"),
        ({"labels": {"a b": "c"}}, "metadata.labels"),
        ({"annotations": {"/a": "c"}}, "metadata.annotations"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": ""}]},
            "metadata.ownerReferences.uid",
        ),
    ],
)
def test_bad_metadata_is_refused(cluster: Cluster, namespace: str, metadata: dict, field: str) -> None:
    answer = cluster.expect(422, "POST", cluster.core(namespace, "configmaps"), config_map("one", metadata=metadata))
    assert field in answer.fields


def test_update_changes_and_counts_versions(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "one")
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body
    changed = {**made, "spec": {**made["spec"], "size": 5}}
    updated = cluster.expect(200, "PUT", path, changed).body
    assert updated["spec"]["size"] == 5
    assert updated["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert int(updated["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert updated["metadata"]["uid"] == made["metadata"]["uid"]
    assert cluster.expect(200, "GET", path).body == updated


def test_a_stale_update_conflicts(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "one")
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body
    cluster.expect(200, "PATCH", path, {"spec": {"size": 2}}, content_type=MERGE)
    refused = cluster.expect(409, "PUT", path, made).body
    assert refused["reason"] == "Conflict"
    assert refused["message"] == (
        f'Operation cannot be fulfilled on widgets.{cluster.widget_group} "one": the object has been modified; please '
        "apply your changes to the latest version and try again"
    )


def test_an_update_of_a_custom_object_needs_a_version(cluster: Cluster, namespace: str) -> None:
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body
    del made["metadata"]["resourceVersion"]
    answer = cluster.expect(422, "PUT", cluster.widgets(namespace, "one"), made)
    assert answer.fields == {"metadata.resourceVersion"}
    assert "must be specified for an update" in answer.body["message"]


def test_an_update_that_changes_nothing_is_not_written(cluster: Cluster, namespace: str) -> None:
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body
    again = cluster.expect(200, "PUT", cluster.widgets(namespace, "one"), made).body
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_only_the_specification_counts_as_a_generation(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "one")
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one"))
    patch = {"metadata": {"labels": {"a": "b"}}}
    assert cluster.expect(200, "PATCH", path, patch, content_type=MERGE).body["metadata"]["generation"] == 1
    patch = {"spec": {"note": "hey"}}
    assert cluster.expect(200, "PATCH", path, patch, content_type=MERGE).body["metadata"]["generation"] == 2


def test_identity_cannot_change(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "one")
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body
    cluster.expect(400, "PATCH", path, {"metadata": {"name": "two"}}, content_type=MERGE)
    answer = cluster.expect(422, "PATCH", path, {"metadata": {"uid": "x"}}, content_type=MERGE)
    assert answer.fields == {"metadata.uid"}
    kept = cluster.expect(
        200, "PATCH", path, {"metadata": {"creationTimestamp": None, "generation": 7}}, content_type=MERGE
    ).body["metadata"]
    assert (kept["creationTimestamp"], kept["generation"]) == (made["metadata"]["creationTimestamp"], 1)
    other = {**made, "metadata": {**made["metadata"], "uid": "x"}}
    refused = cluster.expect(409, "PUT", path, other).body
    assert "Precondition failed: UID in precondition: x, UID in object meta: " in refused["message"]


def test_a_dry_run_changes_nothing(cluster: Cluster, namespace: str) -> None:
    made = cluster.expect(201, "POST", cluster.widgets(namespace) + "?dryRun=All", cluster.widget("one")).body
    assert made["metadata"]["uid"]
    assert made["spec"]["color"] == "red"
    cluster.expect(404, "GET", cluster.widgets(namespace, "one"))
    stored = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body
    path = cluster.widgets(namespace, "one")
    tried = cluster.expect(200, "PATCH", path + "?dryRun=All", {"spec": {"size": 9}}, content_type=MERGE).body
    assert tried["spec"]["size"] == 9
    cluster.expect(200, "DELETE", path + "?dryRun=All")
    assert cluster.expect(200, "GET", path).body == stored
    answer = cluster.expect(422, "POST", cluster.widgets(namespace) + "?dryRun=Some", cluster.widget("two"))
    assert answer.fields == {"dryRun"}


def test_deleting_answers_with_what_was_deleted(cluster: Cluster, namespace: str) -> None:
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body
    status = cluster.expect(200, "DELETE", cluster.widgets(namespace, "one")).body
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {
        "name": "one", "group": cluster.widget_group, "kind": "widgets", "uid": made["metadata"]["uid"],
    }  # fmt: skip
    cluster.expect(404, "GET", cluster.widgets(namespace, "one"))


def test_deletes_can_depend_on_uid_and_version(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "one")
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one")).body["metadata"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1"}
    refused = cluster.expect(409, "DELETE", path, {**options, "preconditions": {"uid": "other"}}).body
    assert "the UID in the precondition (other) does not match the UID in record" in refused["message"]
    cluster.expect(409, "DELETE", path, {**options, "preconditions": {"resourceVersion": "1"}})
    good = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    cluster.expect(200, "DELETE", path, {**options, "preconditions": good})


def test_collections_are_deleted_by_selection(cluster: Cluster, namespace: str) -> None:
    for name, kind in (("a", "x"), ("b", "x"), ("c", "y")):
        cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget(name, labels={"kind": kind}))
    gone = cluster.expect(200, "DELETE", cluster.widgets(namespace) + "?labelSelector=kind=x").body
    assert gone["kind"] == "WidgetList"
    assert {item["metadata"]["name"] for item in gone["items"]} == {"a", "b"}
    left = cluster.expect(200, "GET", cluster.widgets(namespace)).body["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_secrets_take_plain_text_and_keep_base64(cluster: Cluster, namespace: str) -> None:
    path = cluster.core(namespace, "secrets")
    sent = {"metadata": {"name": "one"}, "stringData": {"key": "value"}, "data": {"raw": "AAE="}}
    made = cluster.expect(201, "POST", path, sent).body
    assert made["data"] == {"raw": "AAE=", "key": "dmFsdWU="}
    assert made["type"] == "Opaque"
    assert "stringData" not in made
    cluster.expect(400, "POST", path, {"metadata": {"name": "two"}, "data": {"raw": "%%"}})
