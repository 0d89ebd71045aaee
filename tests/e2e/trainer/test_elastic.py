"""An elastic training on several Ray nodes goes on with the workers that there are, and says so in Ray's metrics."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.ray_nodes import RayNodes
from tests.support.s3 import S3Handle, start_s3
from tests.support.trainings import Training
from tests.support.wait import wait_for

from mnist_operator.children.pods import WORKER_ENV
from mnist_trainer.data.sources import write_digits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

EPOCHS = 10
CURVES = ("accuracy", "test loss", "training loss", "speed")
CONTRACT = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())["metrics"]
FAST_METRICS = {"RAY_metrics_report_interval_ms": "1000"}


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Handle]:
    with start_s3(tmp_path, "datasets", "models") as handle:
        write_digits(handle.root / "datasets" / "digits")
        yield handle


def test_trains_with_the_workers_that_there_are(s3: S3Handle, tmp_path: Path) -> None:
    """A process is killed, then a whole node, then another node comes: no epoch is lost, and the batch stays."""
    with RayNodes.start(2, FAST_METRICS, WORKER_ENV) as cluster:
        first, second = cluster.nodes[1:]
        sizes = ("--workers", "2", "--min-workers", "1", "--max-workers", "2", "--epochs", str(EPOCHS))
        training = Training.start(tmp_path, s3, cluster.driver_env(), "elastic", "--name", "elastic", *sizes)
        try:
            training.wait_for(lambda: f"epoch 1/{EPOCHS}" in training.log)
            (killed,) = second.workers()
            os.kill(killed, signal.SIGKILL)
            training.wait_for(lambda: training.log.count("2 workers ready") == 2)

            alone = training.log.count(
                "1 workers ready"
            )  # a slow machine may have gone on with one for a while already
            second.kill()
            training.wait_for(lambda: training.log.count("1 workers ready") > alone)
            assert training.log.count("workers were lost and are being replaced") == 2
            training.wait_for(lambda: training.log.splitlines()[-1].endswith("1 workers"))  # an epoch alone
            (survivor,) = first.workers()
            psutil.Process(survivor).suspend()  # so that the training does not end before the new node is there
            exported = wait_for(lambda: figures(cluster, workers=1), "all of the training's metrics", 60)
            assert exported["ray_mnist_trainer_worker_losses_total"] == 2
            assert exported["ray_mnist_trainer_epochs"] == EPOCHS
            assert 0 < exported["ray_mnist_trainer_data_wait_seconds"] < exported["ray_mnist_trainer_step_seconds"]
            third = cluster.add_worker()
            wait_for(third.workers, "a worker on the new node", 60)
            psutil.Process(survivor).resume()
            training.wait_for(lambda: training.log.count("2 workers ready") == 3)
            training.finish()
        finally:
            training.stop()
    metrics = training.json("metrics.json")
    assert [lost["name"] for lost in metrics["lostWorkers"]] == [second.name, second.name]
    assert all(1 < lost["epoch"] <= EPOCHS for lost in metrics["lostWorkers"])
    assert (training.output / "report.html").read_text().count('class="event"') == 2 * len(CURVES)
    epochs = metrics["epochs"]
    assert [epoch["epoch"] for epoch in epochs] == list(range(1, EPOCHS + 1))
    steps = epochs[0]["step"]
    assert [epoch["step"] for epoch in epochs] == [steps * number for number in range(1, EPOCHS + 1)]
    assert {epoch["workers"] for epoch in epochs} == {1, 2}
    assert (epochs[0]["workers"], epochs[-1]["workers"]) == (2, 2)
    assert training.json("MANIFEST.json")["accuracy"] >= 0.95


def figures(cluster: RayNodes, workers: int) -> dict[str, float]:
    """What the head exports of the training by name, once it is all that the contract lists and nothing else."""
    with urllib.request.urlopen(f"http://{cluster.head.address}:{cluster.head.metrics_port}/metrics") as answer:
        families = [
            family
            for family in text_string_to_metric_families(answer.read().decode())
            if family.name.startswith("ray_mnist_trainer_")
        ]
    found, kinds = {}, {}
    for family in families:
        for sample in family.samples:
            labels = {label: sample.labels[label] for label in CONTRACT["labels"]}
            assert labels == {"training_namespace": "", "training_name": "elastic"}
            found[sample.name], kinds[sample.name] = sample.value, family.type
    complete = kinds == {entry["name"]: entry["type"] for entry in CONTRACT["exported"]}
    return found if complete and found["ray_mnist_trainer_workers"] == workers else {}
