"""The form of a new training: all of the schema, read back as the manifest that was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mnist_portal.crd import spec_schema
from mnist_portal.examples import examples
from mnist_portal.forms import Filled, manifest_of, note, sections_of, values_of
from mnist_portal.manifest import without_defaults
from mnist_portal.pages.new import next_name

SECTIONS = sections_of(spec_schema())
FIELDS = {field.name: field for section in SECTIONS for field in section.fields}


def test_every_part_of_the_schema_has_a_field_with_the_schemas_own_help() -> None:
    def leaves(schema: dict[str, Any], path: str) -> list[str]:
        if not schema.get("properties"):
            return [path]
        return [leaf for name, part in schema["properties"].items() for leaf in leaves(part, f"{path}.{name}")]

    assert set(leaves(spec_schema(), "spec")) == set(FIELDS)
    assert all(field.help for field in FIELDS.values())
    assert [section.name for section in SECTIONS[:3]] == ["training", "workers", "storage"]


def test_labels_are_told_apart_within_the_form() -> None:
    for section in SECTIONS:
        labels = [field.label for field in section.fields]
        assert len(labels) == len(set(labels)), section.name


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_is_the_same_when_it_has_gone_through_the_form(name: str) -> None:
    body = examples()[name].body
    again = manifest_of(Filled(values_of(body, SECTIONS)), SECTIONS)
    assert again["metadata"]["name"] == body["metadata"]["name"]
    assert again["spec"] == without_defaults(body["spec"], spec_schema())


def test_what_is_empty_or_the_default_is_not_in_the_manifest() -> None:
    filled = Filled({"name": "m", "spec.training.epochs": "5", "spec.training.seed": " ", "spec.workers.replicas": "3"})
    assert manifest_of(filled, SECTIONS)["spec"] == {"workers": {"replicas": 3}}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("spec.training.epochs", "many", "'many' is not a whole number"),
        ("spec.training.epochs", "0", "must be 1 or more"),
        ("spec.training.learningRate", "1e9", "must be 100 or less"),
        ("spec.workers.template", "a: [", "is not YAML in line 1"),
        ("spec.workers.template", "just words", "must be YAML with keys"),
    ],
)
def test_what_cannot_be_read_is_said_at_its_field(name: str, text: str, why: str) -> None:
    filled = Filled({name: text})
    assert manifest_of(filled, SECTIONS)["spec"] == {}
    assert why in filled.wrong[name]


def test_the_api_servers_words_stand_at_the_field_that_it_names() -> None:
    filled = Filled()
    causes = [
        {"field": "spec.workers.minReplicas", "message": "too many"},
        {"field": "spec.workers.template.spec.containers[0].name", "message": "no name"},
        {"field": "metadata.name", "message": "too long"},
        {"field": "spec.nothing", "message": "unknown"},
    ]
    note(filled, causes, "refused", SECTIONS)
    assert filled.wrong == {
        "spec.workers.minReplicas": "too many", "spec.workers.template": "no name", "name": "too long",
    }  # fmt: skip
    assert filled.others == ["spec.nothing: unknown"]


@given(st.dictionaries(st.sampled_from([*FIELDS, "name", "other"]), st.text(max_size=30), max_size=8))
def test_whatever_is_typed_makes_a_manifest_that_is_yaml(values: dict[str, str]) -> None:
    obj = manifest_of(Filled(dict(values)), SECTIONS)
    assert yaml.safe_load(yaml.safe_dump(obj)) == obj


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,39}[a-z0-9])?", fullmatch=True))
def test_a_retry_has_another_name_that_the_api_takes(name: str) -> None:
    following = next_name(name)
    assert following != name
    assert len(following) <= 42
    assert following[0].isalpha()
    assert next_name("mnist") == "mnist-2"
    assert next_name("mnist-2") == "mnist-3"


def test_the_examples_of_the_repository_are_those_of_the_portal() -> None:
    folder = Path(__file__).parents[3] / "examples"
    assert set(examples()) == {path.stem for path in folder.glob("*.yaml")}
