"""A release is complete or it does not exist; its figures are right; its report asks nobody for anything."""

from __future__ import annotations

import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from tests.unit.trainer.memory_store import MemoryStore

from mnist_trainer.config import parse_config
from mnist_trainer.data import Dataset
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.naming import MODEL_FILE, RunPlace
from mnist_trainer.plan import make_plan
from mnist_trainer.raytrain.messages import Finished
from mnist_trainer.release.build import RunFacts, build_files
from mnist_trainer.release.metrics import Predictions, per_class
from mnist_trainer.release.publish import as_result, find_release, publish, stage

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())
CONFIG = parse_config({"dataset": "s3://datasets/<script>", "output": "s3://models/run", "workers": 2, "epochs": 2})
PLACE = RunPlace(CONFIG.output_address, 1, "r1")


def record(epoch: int) -> dict:
    return {
        "epoch": epoch,
        "step": 10 * epoch,
        "train_loss": 1 / epoch,
        "test_loss": 0.5 / epoch,
        "accuracy": 0.5 + 0.2 * epoch,
        "learning_rate": 0.01,
        "train_seconds": 2.0,
        "evaluation_seconds": 0.5,
        "images_per_second": 30.0,
        "workers": 2,
        "finished_at": 1.7e9 + epoch,
    }


@pytest.fixture
def dataset() -> Dataset:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = np.tile(np.arange(3, dtype=np.uint8), 20)
    return Dataset(images, labels, images[:10], labels[:10], "d" * 64, 3)


@pytest.fixture
def built(dataset):
    predicted = dataset.test_labels.astype(np.int64)
    predicted[[2, 5]] = [0, 1]
    confidence = np.linspace(0.5, 0.95, 10)
    finished = Finished(
        history=[record(1), record(2)],
        weights={"head.weight": np.eye(3, dtype=np.float32)},
        accuracy=0.8,
        loss=0.4,
        predictions=predicted,
        confidences=confidence,
        true_confidences=1 - confidence,
        versions={"torch": "2"},
        device="cpu",
        at=1.7e9,
    )
    plan = make_plan(CONFIG, dataset)
    return build_files(RunFacts(CONFIG, plan, PLACE, {"started": 1.7e9, "trained": 1.7e9 + 9}), dataset, finished)


def test_names_and_digests(built):
    files, manifest = built
    assert [*(file.name for file in files), CONTRACT["objects"]["releaseManifest"]] == [
        "model.safetensors",
        "metrics.json",
        "report.html",
        "MANIFEST.json",
    ]
    for file in files:
        entry = manifest.file(file.name)
        assert (entry.size, entry.sha256) == (len(file.data), hashlib.sha256(file.data).hexdigest())


def test_equal_runs_give_equal_files(built, dataset):
    from mnist_trainer.release.model_file import encode_model

    plan = make_plan(CONFIG, dataset)
    weights = {"b": np.ones(3, np.float32), "a": np.zeros((2, 2), np.float32)}
    digests = {hashlib.sha256(encode_model(dict(weights), plan, 0.5)).hexdigest() for _ in range(20)}
    assert len(digests) == 1


def test_figures(built):
    metrics = json.loads(built[0][1].data)
    assert metrics["accuracy"] == 0.8
    assert metrics["trainSeconds"] == 5.0
    assert metrics["imagesPerSecond"] == pytest.approx(30.0)
    assert sum(map(sum, metrics["confusionMatrix"])) == 10
    assert metrics["confusionMatrix"][2][0] == 1
    # The most confident of the wrong answers gave the true class the least.
    assert [item["index"] for item in metrics["worstMistakes"]] == [5, 2]
    assert metrics["timeline"]["started"] < metrics["timeline"]["trained"]


def test_precision_and_recall():
    labels, predicted = np.array([0, 0, 1, 1], np.uint8), np.array([0, 1, 1, 1])
    rows = per_class(Predictions(labels, predicted, np.ones(4), np.ones(4)).confusion(3))
    assert (rows[0]["precision"], rows[0]["recall"]) == (1.0, 0.5)
    assert (rows[1]["precision"], rows[1]["recall"]) == (pytest.approx(2 / 3), 1.0)
    assert (rows[2]["precision"], rows[2]["recall"], rows[2]["f1"], rows[2]["support"]) == (0, 0, 0, 0)


def test_report_is_self_contained_and_escaped(built):
    page = built[0][2].data.decode()
    outside: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in {"script", "link", "iframe", "object", "base"}
            outside.extend(v or "" for k, v in attrs if k in {"src", "href"} and not (v or "").startswith("data:"))

    Reader().feed(page)
    assert outside == []
    assert "default-src 'none'" in page
    assert "s3://datasets/&lt;script&gt;" in page
    assert page.count("<figure>") == 2


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
