"""Custom resources held to their schema: defaults, pruning, validation, rules; and the life of a definition."""

import copy

import pytest
from tests.support.cluster import CRDS, MERGE, Cluster, widget_crd
from tests.support.wait import wait_for


def test_defaults_are_filled_in(cluster: Cluster, namespace: str) -> None:
    made = cluster.expect(
        201, "POST", cluster.widgets(namespace), cluster.widget("w", {"size": 1, "parts": [{"name": "a"}]})
    )
    assert made.body["spec"] == {"size": 1, "color": "red", "parts": [{"name": "a", "count": 1}]}
    patched = cluster.expect(
        200, "PATCH", cluster.widgets(namespace, "w"), {"spec": {"color": None}}, content_type=MERGE
    ).body
    assert patched["spec"]["color"] == "red"


def test_unknown_fields_are_dropped_with_a_warning(cluster: Cluster, namespace: str) -> None:
    sent = {**cluster.widget("w", {"size": 1, "zap": 1, "free": {"any": "thing"}}), "extra": True}
    answer = cluster.expect(201, "POST", cluster.widgets(namespace), sent)
    assert sorted(answer.warnings) == ['unknown field "extra"', 'unknown field "spec.zap"']
    assert answer.body["spec"] == {"size": 1, "color": "red", "free": {"any": "thing"}}
    assert "extra" not in answer.body


def test_unknown_fields_are_refused_strictly(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace) + "?fieldValidation=Strict"
    refused = cluster.expect(400, "POST", path, cluster.widget("w", {"size": 1, "zap": 1})).body
    assert refused["reason"] == "BadRequest"
    assert refused["message"] == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.zap"'
    )
    cluster.expect(201, "POST", path, cluster.widget("w"))
    refused = cluster.expect(
        422, "PATCH", cluster.widgets(namespace, "w") + "?fieldValidation=Strict", {"spec": {"zap": 1}},
        content_type=MERGE,
    ).body  # fmt: skip
    assert 'strict decoding error: unknown field "spec.zap"' in refused["message"]
    assert cluster.expect(422, "POST", cluster.widgets(namespace) + "?fieldValidation=Some", {}).fields == {
        "fieldValidation"
    }


@pytest.mark.parametrize(
    ("spec", "field", "reason", "sentence"),
    [
        ({"size": 0}, "spec.size", "FieldValueInvalid", "should be greater than or equal to 1"),
        ({"size": "x"}, "spec.size", "FieldValueTypeInvalid", 'must be of type integer: "string"'),
        ({}, "spec.size", "FieldValueRequired", "Required value"),
        ({"size": 1, "color": "green"}, "spec.color", "FieldValueNotSupported", 'supported values: "red", "blue"'),
        ({"size": 1, "note": "x" * 21}, "spec.note", "FieldValueTooLong", "Too long: may not be more than 20"),
        ({"size": 1, "parts": [{"name": "a"}] * 2}, "spec.parts[1]", "FieldValueDuplicate", "Duplicate value"),
        ({"size": 10}, "spec", "FieldValueInvalid", "big ones are blue"),
    ],
)  # fmt: skip
def test_what_breaks_the_schema_is_refused(
    cluster: Cluster, namespace: str, spec: dict, field: str, reason: str, sentence: str
) -> None:
    answer = cluster.expect(422, "POST", cluster.widgets(namespace), cluster.widget("w", spec))
    assert answer.body["reason"] == "Invalid"
    causes = {cause["field"]: cause for cause in answer.body["details"]["causes"]}
    assert causes[field]["reason"] == reason
    assert sentence in causes[field]["message"]
    assert answer.body["message"].startswith(f'Widget.{cluster.widget_group} "w" is invalid: ')


def test_transition_rules_compare_with_the_past(cluster: Cluster, namespace: str) -> None:
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("w", {"size": 1, "note": "n"}))
    path = cluster.widgets(namespace, "w")
    answer = cluster.expect(422, "PATCH", path, {"spec": {"note": None}}, content_type=MERGE)
    assert "a note stays" in answer.body["message"]
    cluster.expect(200, "PATCH", path, {"spec": {"note": "m"}}, content_type=MERGE)


def crd(cluster: Cluster, kind: str) -> dict:
    """A definition of a kind of its own in the tests' group."""
    made = widget_crd(cluster.widget_group)
    plural = f"{kind.lower()}s"
    made["metadata"]["name"] = f"{plural}.{cluster.widget_group}"
    made["spec"]["names"] = {"kind": kind, "plural": plural}
    return made


def test_a_definition_is_served_and_goes_with_its_objects(cluster: Cluster, namespace: str) -> None:
    made = crd(cluster, "Gadget")
    name = made["metadata"]["name"]
    path = f"/apis/{cluster.widget_group}/v1/namespaces/{namespace}/gadgets"
    cluster.expect(201, "POST", CRDS, made)
    try:
        wait_for(lambda: cluster.request("GET", path).status == 200, "the definition to be served")
        stored = cluster.expect(200, "GET", f"{CRDS}/{name}").body
        conditions = {c["type"]: c["status"] for c in stored["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
        assert stored["status"]["acceptedNames"]["singular"] == "gadget"
        assert stored["status"]["acceptedNames"]["listKind"] == "GadgetList"
        assert stored["status"]["storedVersions"] == ["v1"]
        one = {
            "apiVersion": f"{cluster.widget_group}/v1",
            "kind": "Gadget",
            "metadata": {"name": "g"},
            "spec": {"size": 1},
        }
        cluster.expect(201, "POST", path, one)
    finally:
        marked = cluster.expect(200, "DELETE", f"{CRDS}/{name}").body
    assert marked["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    wait_for(lambda: cluster.request("GET", f"{CRDS}/{name}").status == 404, "the definition to go")
    wait_for(lambda: cluster.request("GET", path).status == 404, "the resource not to be served")


def test_a_changed_definition_holds_at_once(cluster: Cluster, namespace: str) -> None:
    made = crd(cluster, "Doohickey")
    name = made["metadata"]["name"]
    path = f"/apis/{cluster.widget_group}/v1/namespaces/{namespace}/doohickeys"
    cluster.expect(201, "POST", CRDS, made)
    try:
        wait_for(lambda: cluster.request("GET", path).status == 200, "the definition to be served")
        one = {
            "apiVersion": f"{cluster.widget_group}/v1",
            "kind": "Doohickey",
            "metadata": {"name": "d"},
            "spec": {"size": 9},
        }
        cluster.expect(201, "POST", path, one)
        versions = copy.deepcopy(made["spec"]["versions"])
        versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["maximum"] = 5
        cluster.expect(200, "PATCH", f"{CRDS}/{name}", {"spec": {"versions": versions}}, content_type=MERGE)
        one["metadata"]["name"] = "e"
        wait_for(lambda: cluster.request("POST", path + "?dryRun=All", one).status == 422, "the new bound to hold")
        # What is stored already may stay as it is, and be changed elsewhere.
        cluster.expect(200, "PATCH", f"{path}/d", {"spec": {"note": "x"}}, content_type=MERGE)
        cluster.expect(422, "PATCH", f"{path}/d", {"spec": {"size": 8}}, content_type=MERGE)
    finally:
        cluster.request("DELETE", f"{CRDS}/{name}")


def test_malformed_definitions_are_refused(cluster: Cluster) -> None:
    wrong_name = crd(cluster, "Thing")
    wrong_name["metadata"]["name"] = f"others.{cluster.widget_group}"
    answer = cluster.expect(422, "POST", CRDS, wrong_name)
    assert 'must be spec.names.plural+"."+spec.group' in answer.body["message"]

    no_storage = crd(cluster, "Thing")
    no_storage["spec"]["versions"][0]["storage"] = False
    answer = cluster.expect(422, "POST", CRDS, no_storage)
    assert "must have exactly one version marked as storage version" in answer.body["message"]

    bad_rule = crd(cluster, "Thing")
    rules = [{"rule": "nobody > 1"}]
    bad_rule["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = (
        rules
    )
    answer = cluster.expect(422, "POST", CRDS, bad_rule)
    assert "undeclared reference to 'nobody'" in answer.body["message"]

    bad_column = crd(cluster, "Thing")
    bad_column["spec"]["versions"][0]["additionalPrinterColumns"] = [
        {"name": "A", "type": "string", "jsonPath": "spec.size"}
    ]
    answer = cluster.expect(422, "POST", CRDS, bad_column)
    assert "must be a simple json path starting with ." in answer.body["message"]
