"""A release is complete or it does not exist; its figures are right; its report asks nobody for anything."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from tests.unit.trainer.memory_store import MemoryStore
from tests.unit.trainer.release_support import CONFIG, LOST, PLACE, build, record

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.naming import MODEL_FILE
from mnist_trainer.plan import make_plan
from mnist_trainer.release.files import Predictions, encode_json, finite, per_class
from mnist_trainer.release.publish import as_result, find_release, publish, stage

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())


@pytest.fixture
def built(finished, dataset):
    return build(finished, dataset)


def data_of(built, name: str) -> bytes:
    return next(file.data for file in built[0] if file.name == name)


def test_names_and_digests(built):
    files, manifest = built
    assert {*(file.name for file in files), CONTRACT["objects"]["releaseManifest"]} == set(
        CONTRACT["objects"]["release"]
    )
    for file in files:
        entry = manifest.file(file.name)
        assert (entry.size, entry.sha256) == (len(file.data), hashlib.sha256(file.data).hexdigest())


def test_a_network_that_cannot_be_exported_is_released_without_onnx(finished, dataset):
    files, manifest = build(replace(finished, onnx=b""), dataset)
    assert manifest.file("model.onnx") is None
    assert {file.name for file in files} == {entry.name for entry in manifest.files}
    assert manifest.file(MODEL_FILE) is not None


def test_equal_runs_give_equal_files(built, dataset):
    from mnist_trainer.release.files import encode_model

    plan = make_plan(CONFIG, dataset)
    weights = {"b": np.ones(3, np.float32), "a": np.zeros((2, 2), np.float32)}
    digests = {hashlib.sha256(encode_model(dict(weights), plan, 0.5)).hexdigest() for _ in range(20)}
    assert len(digests) == 1


def test_figures(built):
    metrics = json.loads(data_of(built, "metrics.json"))
    assert metrics["accuracy"] == 0.8
    assert metrics["trainSeconds"] == 5.0
    assert built[1].epochs == len(metrics["epochs"]) == 2
    assert metrics["imagesPerSecond"] == pytest.approx(30.0)
    assert sum(map(sum, metrics["confusionMatrix"])) == 10
    assert metrics["confusionMatrix"][2][0] == 1
    # The most confident of the wrong answers gave the true class the least.
    assert [item["index"] for item in metrics["worstMistakes"]] == [5, 2]
    assert metrics["timeline"]["started"] < metrics["timeline"]["trained"]


def test_figures_name_the_lost_workers(finished, dataset, built):
    assert json.loads(data_of(built, "metrics.json"))["lostWorkers"] == []
    metrics = json.loads(data_of(build(finished, dataset, [LOST]), "metrics.json"))
    assert metrics["lostWorkers"] == [
        {"name": "workers-<b>", "epoch": 2, "time": "2023-11-14T22:13:21.500Z", "reason": "its node died"}
    ]


def test_precision_and_recall():
    labels, predicted = np.array([0, 0, 1, 1], np.uint8), np.array([0, 1, 1, 1])
    rows = per_class(Predictions(labels, predicted, np.ones(4), np.ones(4)).confusion(3))
    assert (rows[0]["precision"], rows[0]["recall"]) == (1.0, 0.5)
    assert (rows[1]["precision"], rows[1]["recall"]) == (pytest.approx(2 / 3), 1.0)
    assert (rows[2]["precision"], rows[2]["recall"], rows[2]["f1"], rows[2]["support"]) == (0, 0, 0, 0)


def test_metrics_are_json_for_every_reader_even_where_a_figure_is_not_finite(finished, dataset):
    odd = [replace(record(1), train_loss=math.nan, test_loss=math.inf), record(2)]
    built = build(replace(finished, history=odd), dataset)
    data = data_of(built, "metrics.json")
    assert data.isascii()
    metrics = json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (metrics["epochs"][0]["train_loss"], metrics["epochs"][0]["test_loss"]) == (None, None)
    assert encode_json(finite({"a": [(1.5, -math.inf)]})) == json.dumps({"a": [[1.5, None]]}, indent=2).encode()


def test_published_only_when_complete(built):
    store, (files, manifest) = MemoryStore(), built
    stage(store, PLACE, files, manifest)  # type: ignore[arg-type]
    assert find_release(store, PLACE.output) is None  # type: ignore[arg-type]
    publish(store, PLACE, manifest)  # type: ignore[arg-type]
    assert store.writes[-1] == "s3://models/run/MANIFEST.json"
    found = find_release(store, PLACE.output)  # type: ignore[arg-type]
    assert found == manifest
    result = as_result(PLACE.output, found)
    jsonschema.validate(result, CONTRACT["statusTraining"]["properties"]["result"])
    assert hashlib.sha256(store.objects[result["model"]]).hexdigest() == result["sha256"]


def test_a_release_with_a_missing_or_cut_file_does_not_count(built):
    store, (files, manifest) = MemoryStore(), built
    stage(store, PLACE, files, manifest)  # type: ignore[arg-type]
    publish(store, PLACE, manifest)  # type: ignore[arg-type]
    model = str(PLACE.output.child(MODEL_FILE))
    whole = store.objects[model]
    store.objects[model] = whole[:-1]
    assert find_release(store, PLACE.output) is None  # type: ignore[arg-type]
    del store.objects[model]
    assert find_release(store, PLACE.output) is None  # type: ignore[arg-type]


def test_a_foreign_manifest_is_not_overwritten():
    store = MemoryStore()
    store.objects["s3://models/run/MANIFEST.json"] = b"{}"
    with pytest.raises(InvalidConfigError, match="choose another --output"):
        find_release(store, PLACE.output)  # type: ignore[arg-type]
