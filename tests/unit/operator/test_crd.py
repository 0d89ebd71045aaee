"""The CRD as a whole: fresh, bounded, described."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from mnist_operator.api import crd
from mnist_operator.api.schema import Defaults, structural_schema
from mnist_operator.api.spec import MnistTrainingSpec

SCHEMA: dict[str, Any] = crd.custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

SPEC: dict[str, Any] = SCHEMA["properties"]["spec"]["properties"]


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


NODES = [*nodes(SCHEMA["properties"]["spec"], "spec"), *nodes(SCHEMA["properties"]["status"], "status")]


def test_the_file_is_fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main(["--check"]) == 0
    stale = tmp_path / "stale.yaml"
    stale.write_text("kind: Other\n")
    assert crd.main(["--check", "--path", str(stale)]) == 1
    assert "run `make generate`" in capsys.readouterr().err


def test_it_is_yaml_of_the_same_object() -> None:
    assert yaml.safe_load(crd.crd_text()) == yaml.safe_load(yaml.safe_dump(crd.custom_resource_definition()))


@pytest.mark.parametrize(("path", "node"), NODES, ids=[path for path, _ in NODES])
def test_everything_is_bounded(path: str, node: dict[str, Any]) -> None:
    """CEL's cost budget is estimated from bounds."""
    kind = node.get("type")
    if kind == "string":
        assert "maxLength" in node or "enum" in node, path
    elif kind == "array":
        assert "maxItems" in node, path
    elif kind in {"integer", "number"} and path.startswith("spec"):
        assert "maximum" in node, path
        assert "minimum" in node, path
    elif "additionalProperties" in node:
        assert "maxProperties" in node, path


@pytest.mark.parametrize(("path", "node"), NODES, ids=[path for path, _ in NODES])
def test_every_field_is_described(path: str, node: dict[str, Any]) -> None:
    """`kubectl explain` reads like documentation."""
    if path.endswith(("[]", "{}")):
        return
    assert len(node.get("description", "")) >= 5, path


def test_patterns_are_re2() -> None:
    """RE2 knows no lookaround and no backreferences."""
    for path, node in NODES:
        assert not re.search(r"\(\?[=!<]|\\[1-9]", node.get("pattern", "")), path


def test_the_api_server_writes_only_what_must_stay_as_it_was_at_creation() -> None:
    written = {name: field["default"] for name, field in SPEC.items() if "default" in field}
    assert written == {
        "training": {"model": "cnn", "epochs": 5, "batchSize": 64, "seed": 0, "precision": "auto"},
        "workers": {"replicas": 2, "gpusPerWorker": 0},
        "storage": {
            "credentialsSecret": "minio-credentials",
            "dataset": "s3://datasets/mnist",
            "output": "s3://models",
        },
    }


def test_every_default_is_the_models_own_and_is_told_by_explain() -> None:
    every = dict(nodes(structural_schema(MnistTrainingSpec, defaults=Defaults.ALL), "spec"))
    told = {path: node["default"] for path, node in every.items() if node.get("default") not in (None, [], {})}
    told = {path: default for path, default in told.items() if not isinstance(default, dict)}
    some = {"spec.runPolicy.backoffLimit", "spec.submission.mode", "spec.ray.version", "spec.training.epochs"}
    assert some <= set(told)
    dumped = MnistTrainingSpec().model_dump(mode="json", by_alias=True)
    shown = dict(NODES)
    for path, default in told.items():
        if "[]" not in path:
            _, *names = path.split(".")
            assert reduce(operator.getitem, names, dumped) == default, path
        text = default if isinstance(default, str) else json.dumps(default)
        assert shown[path]["description"].endswith(f"Default: `{text}`."), path


def test_a_status_update_runs_few_rules() -> None:
    """They run on every one, wherever the part that they stand on is there: here, on the smallest manifest."""
    stored = MnistTrainingSpec.model_validate({}).model_dump(mode="json", by_alias=True)
    there = {name: stored[name] for name, field in SPEC.items() if "default" in field}
    fields = [
        SPEC[name]["properties"][field]
        for name, block in there.items()
        for field in block
        if "default" in SPEC[name]["properties"][field]
    ]
    always = [SCHEMA, SCHEMA["properties"]["spec"], *(SPEC[name] for name in there), *fields]
    assert sum(len(node.get("x-kubernetes-validations", [])) for node in always) <= 12


def test_the_columns_are_those_that_users_read() -> None:
    columns = crd.custom_resource_definition()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [c["name"] for c in columns if not c.get("priority")] == ["Phase", "Progress", "Accuracy", "Workers", "Age"]
    assert [c["name"] for c in columns if c.get("priority")] == ["Cluster", "Model", "Message"]


def test_a_report_that_fits_the_contract_loses_nothing_to_pruning() -> None:
    contract = json.loads((Path(__file__).parents[3] / "contracts" / "trainer.json").read_text())["statusTraining"]
    reported = SCHEMA["properties"]["status"]["properties"]["training"]
    assert fields(contract) == fields(reported)
    assert "training.lastLostWorker.epoch" in fields(reported)


def fields(schema: dict[str, Any]) -> set[str]:
    return {path for path, _ in nodes(schema, "training")}
