"""A script that starts Ray by itself: its workers have its files and variables, and nothing of it is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.s3 import S3Handle, start_s3

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SCRIPT = """
import os, pathlib, ray
ray.init(num_cpus=1, include_dashboard=False)

@ray.remote
def task():
    import helper, mnist_report
    mnist_report.report(epoch=1, epochs=1, accuracy=0.5, from_a_worker=1)
    mnist_report.flush()
    print("a line of a worker")
    return helper.NAME, os.environ["DATASET"], os.environ["MNIST_WORKERS"]

said = ray.get(task.remote())
pathlib.Path(os.environ["OUTPUT_DIR"], "said.txt").write_text(" ".join(said))
"""


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Handle]:
    with start_s3(tmp_path, "models") as handle:
        yield handle


def test_workers_have_the_files_and_variables_and_may_report(s3: S3Handle, tmp_path: Path) -> None:
    code, scratch = tmp_path / "code", tmp_path / "scratch"
    code.mkdir()
    scratch.mkdir()
    (code / "main.py").write_text(SCRIPT)
    (code / "helper.py").write_text("NAME = 'helper'")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RAY_", "KUBERNETES_"))}
    path = f"{Path(sys.executable).parent}:{clean.get('PATH', '')}"
    where = {"MNIST_CODE_DIR": str(code), "MNIST_SCRATCH_DIR": str(scratch), "PATH": path}
    flags = ["--dataset", "s3://datasets/x", "--output", "s3://models/ray", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "mnist_trainer", "run", *flags, "--", "python", "main.py"],
        env={**clean, **s3.env, **where, "RAY_TMPDIR": "/tmp", "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    output = s3.root / "models" / "ray"
    assert done.returncode == 0, done.stdout
    assert (output / "said.txt").read_text() == "helper s3://datasets/x 2"
    metrics = json.loads((output / "metrics.json").read_text())
    assert (metrics["epoch"], metrics["metrics"]) == (1, {"from_a_worker": 1.0})
    assert "a line of a worker" in (output / "logs" / "attempt-1" / "driver.log").read_text()
    left = [each.name() for each in psutil.process_iter(["environ"]) if str(scratch) in str(each.info["environ"])]
    assert left == []
