"""`mnist-trainer train` with real Ray, torch and S3: it releases a model, and nothing on the way changes which."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.s3 import S3Handle, start_s3
from tests.support.trainings import Training
from tests.support.wait import wait_for

from mnist_trainer.data.sources import write_digits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

EPOCHS = 4


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    directory = tmp_path_factory.mktemp("s3")
    with start_s3(directory, "datasets", "models") as handle:
        write_digits(handle.root / "datasets" / "digits")
        yield handle


@pytest.fixture
def start(s3: S3Handle, tmp_path: Path) -> Iterator[Callable[..., Training]]:
    started: list[Training] = []

    def run(name: str, *arguments: str, epochs: int = EPOCHS, workers: int = 2) -> Training:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RAY_", "KUBERNETES_"))}
        sizes = ("--workers", str(workers), "--epochs", str(epochs))
        started.append(Training.start(tmp_path, s3, clean, name, *sizes, *arguments))
        return started[-1]

    yield run
    for training in started:
        training.stop()


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return {}


def test_releases_a_model(start, reference):
    training = start("whole")
    training.finish()
    manifest = training.json("MANIFEST.json")
    reference["sha256"] = _model_digest(training)
    assert manifest["accuracy"] >= 0.95
    contract = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())["objects"]
    assert {entry["name"] for entry in manifest["files"]} | {contract["releaseManifest"]} == set(contract["release"])
    for entry in manifest["files"]:
        data = (training.output / entry["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["size"], entry["sha256"])
    metrics = training.json("metrics.json")
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == list(range(1, EPOCHS + 1))
    assert metrics["epochs"][-1]["accuracy"] == metrics["accuracy"] == manifest["accuracy"]
    assert sum(map(sum, metrics["confusionMatrix"])) == metrics["dataset"]["testImages"]
    order = ["started", "dataLoaded", "workersReady", "firstStep", "trained"]
    assert [metrics["timeline"][stage] for stage in order] == sorted(metrics["timeline"][stage] for stage in order)
    assert "s3://models/whole/model.safetensors" in training.log.splitlines()[-1]
    _no_process_is_left(training)

    again = start("whole")
    again.finish(seconds=60)
    assert "nothing to train" in again.log
    other = start("whole", "--seed", "7")
    other.finish(status=2, seconds=60)
    assert "choose another --output" in other.log


def test_neither_a_stop_nor_a_dataset_on_disk_changes_the_model(start, reference, monkeypatch, tmp_path):
    """The run is stopped and started again; its dataset stays on disk, as one does that is larger than the memory.

    Each node maps files of its own, and none are left in the end. (Lost workers are for tests/e2e/lifecycle.)
    """
    monkeypatch.setenv("MNIST_DATASET_MEMORY_BYTES", "100000")
    monkeypatch.setenv("MNIST_SCRATCH_DIR", str(tmp_path))
    training = start("stopped")
    training.wait_for(lambda: list(tmp_path.glob("mnist-datasets-*/*/*.plain")))
    training.wait_for(lambda: list(training.output.rglob("epoch-00002.json")))
    training.process.send_signal(signal.SIGTERM)
    training.finish(status=75, seconds=30)
    assert "stopped by SIGTERM" in training.log
    _no_process_is_left(training)
    assert not (training.output / "MANIFEST.json").exists()

    resumed = start("stopped")
    resumed.finish()
    assert "going on after epoch" in resumed.log
    assert _model_digest(resumed) == reference["sha256"]
    _no_process_is_left(resumed)
    assert list(tmp_path.glob("mnist-datasets-*/*")) == []


def _no_process_is_left(training: Training) -> None:
    wait_for(lambda: not _processes_of(training), "the end of every process of the run", 20)


def _model_digest(training: Training) -> str:
    return hashlib.sha256((training.output / "model.safetensors").read_bytes()).hexdigest()


def _processes_of(training: Training) -> list[int]:
    """Processes of the training's session that outlived it."""
    left = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == training.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process.pid)
        except (psutil.Error, ProcessLookupError):
            continue
    return left
