"""The types of built-in kinds, read from the client's models."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mnist_local.apiserver.kinds import builtin_resources
from mnist_local.apiserver.schema import BuiltinSchema, builtin, builtin_schema


def schema(group: str, version: str, kind: str) -> BuiltinSchema:
    found = builtin_schema(group, version, kind)
    assert found is not None
    return found


def models_below(model: str, seen: set[str]) -> set[str]:
    """The models that a model consists of."""
    if model in seen or not re.fullmatch(r"\w+", model) or not builtin._path(model).is_file():
        return seen
    seen.add(model)
    for type_ in builtin._fields(model).values():
        for name in re.findall(r"\b(?:[A-Z][a-z]+)?V1\w+", type_):
            models_below(name, seen)
    return seen


@pytest.fixture(scope="module")
def models() -> set[str]:
    """The models of all kinds that the server holds."""
    seen: set[str] = set()
    for kind in builtin_resources():
        model = builtin._model_of(kind.group, kind.version, kind.kind)
        assert model is not None, kind
        models_below(model, seen)
    return seen


def test_every_kind_has_a_model_and_every_field_is_read(models: set[str]) -> None:
    for model in models:
        text = builtin._path(model).read_text(encoding="utf-8")
        mapped = text[text.index("    attribute_map: ClassVar") :].split("}", 1)[0]
        assert list(builtin._fields(model)) == re.findall(r'": "([^"]+)"', mapped), model


def test_the_facts_are_about_fields_that_exist(models: set[str]) -> None:
    facts = [*builtin._KEYED, *builtin._SETS, *builtin._QUANTITIES, *builtin._DEFAULTED_KEYS]
    for fact in [*facts, *(name for name in builtin._ATOMIC if "." in name)]:
        model, _, field = fact.partition(".")
        assert model in models, fact
        assert field in builtin._fields(model), fact
    for fact, keys in builtin._KEYED.items():
        model, _, field = fact.partition(".")
        item = builtin._model_node(model).properties[field].items
        assert item is not None
        assert set(keys) <= set(item.properties), fact


def test_kinds_that_are_not_built_in_have_no_type() -> None:
    assert builtin_schema("ray.io", "v1", "RayCluster") is None
    assert "involvedObject" in schema("", "v1", "Event").root.properties
    assert "regarding" in schema("events.k8s.io", "v1", "Event").root.properties


def test_unknown_fields_are_found_at_any_depth() -> None:
    container = {"name": "c", "imag": "x", "env": [{"name": "A", "valu": "1"}]}
    pod: dict[str, Any] = {"spec": {"containers": [container], "nodeSelector": {"any": "x"}}, "bogus": 1}
    unknown = ["bogus", "spec.containers[0].env[0].valu", "spec.containers[0].imag"]
    assert schema("", "v1", "Pod").prune(pod) == unknown
    assert pod == {"spec": {"containers": [{"name": "c", "env": [{"name": "A"}]}], "nodeSelector": {"any": "x"}}}


def test_a_schema_within_a_definition_has_a_type_too() -> None:
    inner = {
        "type": "object", "properties": {"a": {"type": "array", "items": {"type": "string", "bogus": 1}}},
        "additionalProperties": True, "x-kubernetes-validations": [{"rule": "true"}], "default": {"anything": [1]},
    }  # fmt: skip
    crd = {"spec": {"versions": [{"schema": {"openAPIV3Schema": inner}}]}}
    found = schema("apiextensions.k8s.io", "v1", "CustomResourceDefinition").prune(crd)
    assert found == ["spec.versions[0].schema.openAPIV3Schema.properties.a.items.bogus"]


def test_values_of_another_type_are_named_but_not_shown() -> None:
    service = {"spec": {"ports": [{"port": "80", "targetPort": "http"}, {"port": 1, "targetPort": 80}]}}
    assert [str(e) for e in schema("", "v1", "Service").validate(service)] == [
        'spec.ports[0].port: Invalid value: "string": spec.ports[0].port in body must be of type integer: "string"'
    ]


def test_nulls_go_and_amounts_may_be_numbers() -> None:
    container = {"name": "c", "image": None, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
    pod = {"spec": {"containers": [container]}}
    schema("", "v1", "Pod").default(pod)
    assert "image" not in container
    assert schema("", "v1", "Pod").validate(pod) == []


def test_the_client_itself_is_not_imported() -> None:
    code = (
        "import sys; from mnist_local.apiserver.schema import builtin_schema; "
        "builtin_schema('', 'v1', 'Pod').prune({'spec': {'x': 1}}); print('kubernetes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "False"
