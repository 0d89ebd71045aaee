"""The CRD of 0.1.0 and this one: they accept the same manifests, refuse the same changes, and mean the same.

0.1.0 wrote every default into every object; this version leaves most of them to whoever reads. The recorded CRD of
0.1.0 says what is right, for any manifest: with blocks that are absent, null, empty, or written out.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_local.apiserver.schema.structural import StructuralSchema
from mnist_operator.api import crd, names
from mnist_operator.api.spec import parse_spec

Object = dict[str, Any]
RECORDED = Path(__file__).parents[2] / "integration" / "operator" / "recorded" / "crd-before.yaml"


def schema_of(document: Object) -> Object:
    found: Object = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


FORMER_SPEC = schema_of(yaml.safe_load(RECORDED.read_text()))["properties"]["spec"]
FORMER = StructuralSchema.compile(schema_of(yaml.safe_load(RECORDED.read_text())))
NOW = StructuralSchema.compile(schema_of(crd.custom_resource_definition()))

TEXTS = {
    "version": ["2.60.0", "2.61.0", "latest"],
    "image": ["trainer:1", ""],
    "endpoint": ["https://minio:9000", "minio"],
    "region": ["eu-1", "_"],
    "dataset": ["s3://datasets/mnist", "s3://other/mnist", "mnist"],
    "output": ["s3://models", "s3://other", "S3"],
    "credentialsSecret": ["minio-credentials", "other", "No"],
    "name": ["a", "b", "head", "No"],
}


def values(schema: Object, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a field: mostly good ones, the default and the bounds among them."""
    kind = schema.get("type")
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.sampled_from([{}, {"spec": {"nodeSelector": {"a": "b"}}}])
    if "enum" in schema:
        return st.sampled_from([*schema["enum"], "bad"])
    if kind == "string":
        return st.sampled_from(TEXTS[name])
    if kind == "boolean":
        return st.booleans()
    if kind in {"integer", "number"}:
        least, most = schema["minimum"], schema["maximum"]
        return st.sampled_from([*(schema.get("default", least) for _ in "ab"), least, least + 1, least + 2, most + 1])
    if kind == "array":
        return st.lists(values(schema["items"], name), max_size=2)
    if kind == "object" and "properties" in schema:
        fields = {key: st.none() | values(field, key) for key, field in schema["properties"].items()}
        needed = {key: fields.pop(key) for key in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional=fields)
    amounts = st.sampled_from([1, "1", "500m", "much"])
    if schema["additionalProperties"].get("x-kubernetes-int-or-string"):
        return st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), amounts, max_size=2)
    return st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "a"]), max_size=1)


BLOCKS = {name: st.none() | st.just({}) | values(block, name) for name, block in FORMER_SPEC["properties"].items()}
SPECS = st.lists(st.sampled_from(sorted(BLOCKS)), max_size=3, unique=True).flatmap(
    lambda chosen: st.fixed_dictionaries({name: BLOCKS[name] for name in chosen})
)


def stored(schema: StructuralSchema, spec: Object) -> Object:
    """What the API server makes of a manifest before it validates it."""
    obj = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": "a"}, "spec": copy.deepcopy(spec)}
    schema.prune(obj)
    schema.default(obj)
    return obj


def refusals(schema: StructuralSchema, obj: Object, old: Object | None = None) -> set[str]:
    """The fields that are refused."""
    return {error.path for error in schema.validate(obj, old)}


@given(SPECS)
@settings(max_examples=400)
def test_the_same_manifests_are_accepted_and_mean_the_same(spec: Object) -> None:
    former, now = stored(FORMER, spec), stored(NOW, spec)
    assert bool(refusals(FORMER, former)) == bool(refusals(NOW, now))
    if not refusals(NOW, now):
        assert parse_spec(now["spec"]) == parse_spec(former["spec"])
        assert stored(FORMER, now["spec"]) == former, "after a rollback"
        assert stored(NOW, former["spec"]) == former, "after an upgrade, which takes nothing away"


@given(SPECS, SPECS, st.booleans())
@settings(max_examples=400)
def test_the_same_changes_are_refused(before: Object, change: Object, was_stored_by_the_former: bool) -> None:
    """Also of what the former stored, with all its defaults: absent and the default that is written out are one."""
    former, now = stored(FORMER, before), stored(NOW, before)
    if refusals(FORMER, former):
        before = {}
        former, now = stored(FORMER, before), stored(NOW, before)
    wished = {**before, **change}
    old = former if was_stored_by_the_former else now
    assert bool(refusals(FORMER, stored(FORMER, wished), former)) == bool(refusals(NOW, stored(NOW, wished), old))
