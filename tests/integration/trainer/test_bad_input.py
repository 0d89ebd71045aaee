"""What a user can get wrong ends in one line on stderr and the contract's exit status, before Ray is started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.s3 import S3Handle, start_s3

from mnist_trainer.data.sources import write_digits


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    directory = tmp_path_factory.mktemp("s3")
    write_digits(directory / "digits")
    with start_s3(directory, "datasets", "models") as handle:
        for name in ("good", "incomplete", "truncated", "mislabelled"):
            shutil.copytree(directory / "digits", handle.root / "datasets" / name)
        files = {path.name.partition(".")[0]: path for path in (directory / "digits").iterdir()}
        suffix = "".join(files["train-images-idx3-ubyte"].suffixes)
        (handle.root / "datasets/incomplete" / f"t10k-labels-idx1-ubyte{suffix}").unlink()
        whole = handle.root / "datasets/truncated" / f"train-images-idx3-ubyte{suffix}"
        whole.write_bytes(whole.read_bytes()[:1000])
        labels = handle.root / "datasets/mislabelled"
        shutil.copy(labels / f"t10k-labels-idx1-ubyte{suffix}", labels / f"train-labels-idx1-ubyte{suffix}")
        yield handle


def train(s3: S3Handle, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mnist_trainer", "train", *arguments]
    quick = {"MNIST_STORAGE_GIVE_UP_AFTER": "1", "MNIST_STORAGE_CONNECT_TIMEOUT": "1"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KUBERNETES_"))}
    return subprocess.run(command, env={**clean, **s3.env, **quick, **env}, capture_output=True, text=True, timeout=60)


GOOD = ("--dataset", "s3://datasets/good", "--output", "s3://models/run")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--output", "s3://models/x"), 2, "--dataset"),
        ((*GOOD, "--epochs", "0"), 2, "--epochs 0"),
        ((*GOOD, "--epochs", "many"), 2, "--epochs"),
        ((*GOOD, "--colour", "red"), 2, "--colour"),
        ((*GOOD, "--model", "resnet"), 2, "--model 'resnet'"),
        (("--dataset", "datasets/mnist", "--output", "s3://models/x"), 2, "s3://bucket/path"),
        ((*GOOD, "--storage-endpoint", "localhost:9000"), 2, "http"),
        (("--dataset", "s3://nowhere/mnist", "--output", "s3://models/x"), 65, "nowhere"),
        (("--dataset", "s3://datasets/good", "--output", "s3://nowhere/x"), 65, "nowhere"),
        (("--dataset", "s3://datasets/absent", "--output", "s3://models/x"), 65, "s3://datasets/absent"),
        (("--dataset", "s3://datasets/incomplete", "--output", "s3://models/x"), 65, "t10k-labels-idx1-ubyte"),
        (("--dataset", "s3://datasets/truncated", "--output", "s3://models/x"), 65, "train-images-idx3-ubyte"),
        (("--dataset", "s3://datasets/mislabelled", "--output", "s3://models/x"), 65, "train-labels-idx1-ubyte"),
        ((*GOOD, "--training-name", "x", "--training-namespace", "y", "--training-uid", "z"), 2, "KUBERNETES_SERVICE"),
        ((*GOOD, "--training-name", "x"), 2, "--training-uid is missing"),
    ],
)
def test_bad_input(s3, arguments, status, words):
    result = train(s3, *arguments)
    lines = result.stderr.strip().splitlines()
    assert result.returncode == status, result.stderr
    assert words in lines[-1]
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in result.stderr


def test_wrong_credentials(s3):
    result = train(s3, *GOOD, AWS_SECRET_ACCESS_KEY="wrong" * 8)
    assert result.returncode == 77, result.stderr
    assert result.stderr.strip().endswith("(StoreAccessDenied)")
    assert "wrongwrong" not in result.stdout + result.stderr


def test_no_credentials(s3):
    result = train(s3, *GOOD, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert result.returncode == 77, result.stderr
    assert "set AWS_ACCESS_KEY_ID" in result.stderr


def test_unreachable_store(s3):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = train(s3, *GOOD, "--storage-endpoint", f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert result.returncode == 69, result.stderr
    assert "(StoreUnreachable)" in result.stderr


def test_version_and_help(s3):
    from mnist_trainer.version import package_version

    run = [sys.executable, "-m", "mnist_trainer"]
    assert subprocess.check_output([*run, "version"], text=True).strip() == package_version()
    assert "--target-accuracy" in subprocess.check_output([*run, "train", "--help"], text=True)


def test_the_driver_starts_without_torch_and_ray():
    """They are imported when they are needed, beside the loading of the data; --help and bad input need neither."""
    code = "import sys, mnist_trainer.run.training_run; print(sorted({'torch', 'ray', 'pandas'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_nothing_but_the_log_is_left_in_the_bucket(s3):
    train(s3, *GOOD, "--dataset", "s3://datasets/truncated")
    left = {path.name for path in Path(s3.root / "models").rglob("*") if path.is_file()}
    assert left == {"driver.log"}
