"""The examples of own code on a real stack: a network by our recipe, scripts with Ray Train and with PyTorch alone."""

from __future__ import annotations

import contextlib
import hashlib
import re
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from tests.support.live import NAMESPACE, LiveStack, LiveTraining
from tests.support.wait import wait_for

from mnist_client import Client
from mnist_kube.resources import CONFIGMAPS, PODS, TRAININGS
from mnist_local.kuberay.kubelet.launch import POD_UID_VARIABLE
from mnist_local.pod import process_tree
from mnist_trainer.inference.model_file import load_classifier

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
EXAMPLES = Path(__file__).parents[3] / "examples"
EPOCHS = 18


def documents(example: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ConfigMap and the training of an example."""
    config_map, training = yaml.safe_load_all((EXAMPLES / example / "training.yaml").read_text())
    return config_map, training


def start(stack: LiveStack, training: dict[str, Any]) -> LiveTraining:
    made = stack.kube.create(TRAININGS.path(NAMESPACE), training)
    return LiveTraining(stack, made["metadata"]["name"], made["metadata"]["uid"])


def assert_sealed(training: LiveTraining, status: dict[str, Any], *names: str) -> dict[str, Any]:
    """The manifest names these files among others, each with its digest, and neither logs nor checkpoints."""
    manifest = training.json("MANIFEST.json")
    files = {entry["name"]: entry for entry in manifest["files"]}
    assert set(names) <= set(files)
    for name, entry in files.items():
        assert not name.startswith(("logs/", "checkpoints/", "attempt-")), name
        assert hashlib.sha256((training.output / name).read_bytes()).hexdigest() == entry["sha256"]
    assert status["result"]["accuracy"] == round(manifest["accuracy"], 4)
    assert status["result"]["manifest"].endswith("/MANIFEST.json")
    return manifest


def exported(training: LiveTraining) -> str:
    """What the head's metrics port says of the training; on this machine Ray is told which port that is."""
    (head,) = training.pods("head")
    commands = []
    for pid in process_tree.marked(POD_UID_VARIABLE, head["metadata"]["uid"]):
        with contextlib.suppress(psutil.Error):
            commands.append(" ".join(psutil.Process(pid).cmdline()))
    port = next(found[1] for text in commands if (found := re.search(r"metrics.export.port=(\d+)", text)))
    with urllib.request.urlopen(f"http://{head['status']['podIP']}:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return "\n".join(line for line in lines if f'training_name="{training.name}"' in line)


def test_a_ray_train_script_is_followed_survives_a_loss_and_a_suspension_and_is_sealed(stack: LiveStack) -> None:
    config_map, document = documents("ray-train")
    stack.kube.create(CONFIGMAPS.path(NAMESPACE), config_map)
    document["spec"]["code"]["command"][-1] = str(EPOCHS)
    training = start(stack, document)
    status = training.until(lambda s: s.get("training", {}).get("epoch", 0) >= 2, "two epochs")
    assert status["training"]["epochs"] == EPOCHS
    assert 0 < status["training"]["accuracy"] <= 1
    assert status["training"]["workers"] == 2
    assert 0 < status["training"]["progressPercent"] < 100
    wait_for(lambda: "ray_mnist_trainer_accuracy" in exported(training), "its figures for Prometheus", 60)

    training.kill(training.pods("worker")[-1])
    training.until(lambda s: s["training"].get("lostWorkers", 0) >= 1, "the loss to be told")
    seen = training.status()["training"]["epoch"]
    training.until(lambda s: s["training"]["epoch"] > seen and s["training"]["workers"] == 2, "to go on")
    training.until(lambda s: "going on after epoch" in training.log(), "Ray Train to go on after the loss")
    assert training.status()["attempt"] == 1

    training.suspend(True)
    training.until(lambda s: s.get("phase") == "Suspended", "its suspension")
    training.until_nothing_runs()
    reached = training.status()["training"]["epoch"]
    assert reached < EPOCHS - 2, "it was too fast to be suspended in the middle"
    training.suspend(False)
    status = training.until_succeeded()
    assert (status["attempt"], status["failures"]) == (2, 0)
    assert status["result"]["accuracy"] >= 0.85
    logs = [(training.output / "logs" / f"attempt-{attempt}" / "driver.log").read_text() for attempt in (1, 2)]
    assert "going on after epoch" in logs[0], "what the workers printed is kept"
    went_on = [line for line in logs[1].splitlines() if "going on after epoch" in line]
    assert int(went_on[0].rpartition(" ")[2]) >= reached - 1
    manifest = assert_sealed(training, status, "model.pt", "metrics.json")
    assert manifest["epochs"] == EPOCHS
    training.until_nothing_runs()


def test_a_network_of_ones_own_waits_for_its_config_map_and_is_trained_by_the_recipe(
    stack: LiveStack, tmp_path: Path
) -> None:
    """Followed by the Python client, which reads the log and the model when the pods are gone."""
    config_map, document = documents("own-network")
    document["spec"]["training"]["epochs"] = 3
    document["spec"]["workers"]["replicas"] = 1
    training = start(stack, document)
    status = training.until(lambda s: s.get("reason") == "CodeNotFound", "the missing ConfigMap to be told", 120)
    assert "ConfigMap default/own-network, named in spec.code.configMap, does not exist" in status["message"]
    stack.kube.create(CONFIGMAPS.path(NAMESPACE), config_map)
    with Client(kubeconfig=stack.root / "kubeconfig") as client:
        lines = list(client.logs(training.name, follow=True, timeout=600))
        told = [line for line in lines if "epoch 3/3" in line]
        assert len(told) == 1, lines
        assert any("resnet:build from the ConfigMap with the code: 77,818 parameters" in line for line in lines)
        assert client.wait(training.name, timeout=120).succeeded
        training.until_nothing_runs()
        for pod in stack.kube.items(PODS.path(NAMESPACE)):
            if (name := pod["metadata"]["name"]).startswith("own-network-"):
                stack.kube.delete(PODS.path(NAMESPACE, name))
        assert [line for line in client.logs(training.name, wait=False) if "epoch 3/3" in line] == told
        result = client.result(training.name)
        assert result.predict(np.zeros((8, 8), np.uint8)).best.confidence > 0
        assert result.download("model.onnx", tmp_path).stat().st_size
    status = training.status()
    assert status["attempt"] == 1
    assert status["result"]["accuracy"] >= 0.9
    manifest = assert_sealed(training, status, "model.safetensors", "model.onnx", "report.html")
    assert manifest["config"]["code_module"] == "resnet:build"
    # The ONNX file needs no code of the user's.
    model = load_classifier((training.output / "model.onnx").read_bytes(), "here")
    assert model.spec.name == "resnet:build"


def test_a_script_with_pytorch_alone_reports_and_leaves_files(stack: LiveStack) -> None:
    config_map, document = documents("plain-torch")
    stack.kube.create(CONFIGMAPS.path(NAMESPACE), config_map)
    training = start(stack, document)
    status = training.until_succeeded()
    report = status["training"]
    assert (report["epoch"], report["epochs"]) == (5, 5)
    assert 0.5 < report["metrics"]["accuracy_of_ones"] <= 1
    assert status["result"]["accuracy"] >= 0.85
    assert_sealed(training, status, "model.pt", "metrics.json")
    assert len(training.json("metrics.json")["reports"]) == 5
    assert "epoch 5: accuracy" in (training.output / "logs" / "attempt-1" / "driver.log").read_text()
    training.until_nothing_runs()
