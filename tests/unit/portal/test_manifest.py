"""The manifest as applied and as it holds, and what differs between some."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from mnist_portal.crd import spec_schema
from mnist_portal.manifest import applied, differences, effective, flat, to_yaml, without_defaults


def training(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "spec": spec,
        "metadata": {"name": "mnist", "namespace": "lab", "uid": "u", "resourceVersion": "7", **metadata},
        "status": {"phase": "Running"},
    }  # fmt: skip


def test_what_holds_has_the_defaults_and_nothing_that_only_the_server_sets() -> None:
    shown = effective(training({"training": {"epochs": 3}}))
    assert shown["metadata"] == {"name": "mnist", "namespace": "lab"}
    assert "status" not in shown
    assert shown["spec"]["training"]["epochs"] == 3
    assert shown["spec"]["training"]["batchSize"] == 64
    assert shown["spec"]["runPolicy"]["backoffLimit"] == 3


def test_a_spec_that_this_version_does_not_know_is_shown_as_it_is() -> None:
    assert effective(training({"training": {"epochs": "many"}}))["spec"] == {"training": {"epochs": "many"}}


def test_kubectls_own_note_is_what_was_applied() -> None:
    said = {"metadata": {"name": "mnist"}, "spec": {"training": {"epochs": 9}}}
    notes = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(said), "team": "vision"}
    obj = training({"training": {"epochs": 9, "batchSize": 64}}, annotations=notes)
    assert applied(obj, spec_schema())["spec"] == {"training": {"epochs": 9}}
    assert effective(obj)["metadata"]["annotations"] == {"team": "vision"}


def test_of_server_side_apply_the_fields_that_somebody_owns_are_what_was_applied() -> None:
    fields = {"f:spec": {"f:training": {"f:epochs": {}}}}
    entry = {"manager": "mnistctl", "operation": "Apply", "fieldsV1": fields}
    obj = training({"training": {"epochs": 5, "batchSize": 64}}, managedFields=[entry])
    assert applied(obj, spec_schema())["spec"] == {"training": {"epochs": 5}}


def test_of_what_was_created_the_defaults_are_left_out() -> None:
    spec = {"training": {"epochs": 7, "batchSize": 64}, "workers": {"replicas": 2}, "storage": {"output": "s3://x-y"}}
    assert applied(training(spec), spec_schema())["spec"] == {
        "training": {"epochs": 7}, "storage": {"output": "s3://x-y"},
    }  # fmt: skip


def stored(schema: dict[str, Any]) -> dict[str, Any]:
    """What the API server makes of an empty object."""
    made = {}
    for name, part in (schema.get("properties") or {}).items():
        below = stored(part) if part.get("properties") else {}
        if "default" in part or below:
            made[name] = {**part.get("default", {}), **below} if below else part["default"]
    return made


def test_leaving_out_defaults_leaves_nothing_of_an_empty_training() -> None:
    assert stored(spec_schema())["training"]["batchSize"] == 64
    assert without_defaults(stored(spec_schema()), spec_schema()) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda below: st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), below, max_size=3),
    max_leaves=8,
)
SPECS = st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), JSON, max_size=4)


@given(SPECS)
def test_yaml_says_the_same(spec: dict[str, Any]) -> None:
    assert yaml.safe_load(to_yaml({"spec": spec})) == {"spec": spec}


@given(SPECS, SPECS)
def test_differences_name_every_path_that_differs_and_no_other(one: dict[str, Any], two: dict[str, Any]) -> None:
    rows = dict(differences([one, two]))
    left, right = flat(one), flat(two)
    for path in {*left, *right}:
        assert (path in rows) == (left.get(path) != right.get(path))
    assert differences([one, one]) == []
