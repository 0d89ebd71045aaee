"""Code of one's own from this machine: packed, uploaded, run; its log and its model come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.live import LiveStack
from tests.support.processes import assert_none_left, kill_all, processes_of

from mnist_client import Client, Training
from mnist_kube.resources import PODS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NETWORK = """
from torch import nn

def build(classes, channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size[0] * size[1], classes))
"""
SCRIPT = """
import os
from pathlib import Path

from mnist_report import report

print("hello from", Path(__file__).name, flush=True)
report(epoch=1, accuracy=0.5)
(Path(os.environ["OUTPUT_DIR"]) / "answer.txt").write_text("42")
"""
MANIFEST = """
apiVersion: mnist.training/v1alpha1
kind: MnistTraining
metadata: {name: script}
spec: {workers: {replicas: 1}, storage: {dataset: s3://datasets/digits, output: s3://models}}
"""


def test_a_network_from_a_folder_with_its_log_and_its_model(stack: LiveStack, tmp_path: Path) -> None:
    (tmp_path / "network.py").write_text(NETWORK)
    training = Training(
        "own-network",
        workers=1,
        epochs=1,
        dataset="s3://datasets/digits",
        output="s3://models",
        code={"module": "network:build"},
    )
    with Client(kubeconfig=stack.root / "kubeconfig") as client:
        client.submit(training, code=tmp_path)
        lines = list(client.logs("own-network", follow=True, timeout=600))
        told = [line for line in lines if "epoch 1/1" in line]
        assert len(told) == 1, lines
        assert client.wait("own-network", timeout=120).succeeded

        pods = [pod["metadata"]["name"] for pod in stack.kube.items(PODS.path("default"))]
        for name in (name for name in pods if name.startswith("own-network-")):
            stack.kube.delete(PODS.path("default", name))
        assert [line for line in client.logs("own-network", wait=False) if "epoch 1/1" in line] == told

        result = client.result("own-network")
        assert result.predict(np.zeros((8, 8), np.uint8)).best.confidence > 0
        assert result.download("model.onnx", tmp_path).stat().st_size
        client.delete("own-network")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "stack"
    yield folder
    kill_all(processes_of(folder))


def test_a_script_on_one_machine(root: Path, tmp_path: Path) -> None:
    manifest, script = tmp_path / "training.yaml", tmp_path / "script.py"
    manifest.write_text(MANIFEST)
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "mnist_cli", "local", "run", str(manifest), "--script", str(script)]
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    ran = subprocess.run([*command, "--dir", str(root)], env=env, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    final = json.loads((root / "status.json").read_text())
    assert final["spec"]["code"]["command"] == ["python", "script.py"]
    (answer,) = (root / "s3" / "models" / "default" / "script").glob("*/answer.txt")
    assert answer.read_text() == "42"
    (log,) = answer.parent.glob("logs/attempt-1/driver.log")
    assert "hello from script.py\n" in log.read_text()
    assert_none_left(root)
