"""A network of the user's own on real Ray: workers get its files, what they print is kept, and the model is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tests.support.s3 import S3Handle, start_s3
from tests.support.trainings import Training

from mnist_trainer.code.network import add_to_path
from mnist_trainer.data.sources import write_digits
from mnist_trainer.inference.model_file import load_model

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
RESNET = Path(__file__).parents[3] / "examples" / "own-network" / "resnet.py"
SECRET = "canary-secret-of-nobody"
PRINTING = """
import os
import resnet


def build(classes, channels, size):
    print("built with", os.environ["MY_API_TOKEN"], flush=True)
    return resnet.build(classes, channels, size)
"""


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Handle]:
    with start_s3(tmp_path, "datasets", "models") as handle:
        write_digits(handle.root / "datasets" / "digits")
        yield handle


def test_it_trains_on_two_workers_like_ours(s3: S3Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code"
    code.mkdir()
    shutil.copy(RESNET, code)
    (code / "printing.py").write_text(PRINTING)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RAY_", "KUBERNETES_"))}
    env = {**clean, "MNIST_CODE_DIR": str(code), "MY_API_TOKEN": SECRET}
    flags = ("--code-module", "printing:build", "--workers", "2", "--epochs", "3")
    training = Training.start(tmp_path, s3, env, "own", *flags)
    try:
        training.finish()
    finally:
        training.stop()
    assert training.json("MANIFEST.json")["accuracy"] >= 0.9
    logs = training.output / "logs" / "attempt-1"
    workers = [path.read_text() for path in sorted(logs.glob("worker-*.log"))]
    assert sum("built with [redacted]" in text for text in workers) == 2, workers
    assert "accuracy" in (logs / "driver.log").read_text()
    for path in logs.iterdir():
        assert SECRET not in path.read_text()
    monkeypatch.setenv("MY_API_TOKEN", SECRET)
    add_to_path(code)
    model = load_model((training.output / "model.safetensors").read_bytes(), "here")
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28), dtype=np.uint8)
    session = onnxruntime.InferenceSession((training.output / "model.onnx").read_bytes())
    (shares,) = session.run(["probabilities"], {"images": images})
    np.testing.assert_allclose(shares, model.probabilities(images), atol=1e-5)
