"""A script from this machine: packed, uploaded, run; its log and what it left come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.processes import assert_none_left, kill_all, processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

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
