"""A whole run with a network of the user's own, from each of the places where its code may be."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.bare_training import Bare
from tests.support.datasets import encode, small_dataset, write_folder
from tests.support.s3 import S3Handle, start_s3

from mnist_trainer.code import bundle
from mnist_trainer.config import RunConfig, parse_config
from mnist_trainer.errors import FailureReason
from mnist_trainer.inference.model_file import load_classifier, load_model

RESNET = Path(__file__).parents[3] / "examples" / "own-network" / "resnet.py"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "datasets", "models", "code") as handle:
        write_folder(handle.root / "datasets" / "tiny", encode(small_dataset(train=60, classes=4)))
        yield handle


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a run imports is unknown to the next one; code is unpacked in a folder of the test's."""
    before, loaded = list(sys.path), set(sys.modules)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("MNIST_SCRATCH_DIR", str(tmp_path / "scratch"))
    yield
    sys.path[:] = before
    for name in set(sys.modules) - loaded:
        del sys.modules[name]


def packed(folder: Path, name: str) -> bytes:
    folder.mkdir()
    shutil.copy(RESNET, folder / f"{name}.py")
    return bundle.pack(folder)


def config(output: str, module: str, **fields: object) -> RunConfig:
    addresses = {"dataset": "s3://datasets/tiny", "output": f"s3://models/{output}"}
    return parse_config({**addresses, "epochs": 1, "code_module": f"{module}:build", **fields})


def test_from_a_mounted_config_map(s3: S3Handle, bare: Bare, tmp_path: Path) -> None:
    packed(tmp_path / "mounted", "net_in_map")
    bare.run(config("map", "net_in_map"), {**s3.env, "MNIST_CODE_DIR": str(tmp_path / "mounted")})
    assert "net_in_map:build from the ConfigMap with the code: 77," in bare.log.getvalue()
    files = s3.root / "models" / "map"
    weights = (files / "model.safetensors").read_bytes()
    assert load_model(weights, "here").spec.name == "net_in_map:build"
    shutil.rmtree(tmp_path / "mounted")


def test_from_an_archive_whose_digest_is_checked(s3: S3Handle, bare: Bare, tmp_path: Path) -> None:
    data = packed(tmp_path / "source", "net_in_zip")
    (s3.root / "code" / "net.zip").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    archive = {"code_archive": "s3://code/net.zip", "code_sha256": digest}
    result = bare.run(config("zip", "net_in_zip", **archive), s3.env)
    assert result["manifest"] == "s3://models/zip/MANIFEST.json"
    wrong = bare.failure(config("other", "net_in_zip", **{**archive, "code_sha256": "0" * 64}), s3.env)
    assert (wrong.reason, wrong.retryable) == (FailureReason.CODE_INVALID, False)
    assert f"s3://code/net.zip has the digest {digest}, and not 000" in wrong.message
    absent = bare.failure(config("other", "net_in_zip", **{**archive, "code_archive": "s3://code/no.zip"}), s3.env)
    assert absent.reason is FailureReason.CODE_NOT_FOUND
    assert "there is no s3://code/no.zip: upload it, or mend the address" in absent.message


def test_from_the_image(s3: S3Handle, bare: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path / "image", "net_in_image")
    monkeypatch.syspath_prepend(str(tmp_path / "image"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "image"))
    bare.run(config("image", "net_in_image"), s3.env)
    assert "from the image" in bare.log.getvalue()


def test_what_is_wrong_is_said_before_any_worker_is_asked_for(s3: S3Handle, bare: Bare, tmp_path: Path) -> None:
    asked: list[str] = []
    bare.training.begin = lambda *_, **__: asked.append("workers")
    (tmp_path / "net_wrong.py").write_text("import torch\n\ndef build(*_):\n    return torch.nn.Flatten()\n")
    error = bare.failure(config("wrong", "net_wrong"), {**s3.env, "MNIST_CODE_DIR": str(tmp_path)})
    assert (error.reason, asked) == (FailureReason.CODE_INVALID, [])
    assert error.message == "net_wrong:build returned a network without parameters to train"


def test_without_its_code_a_model_says_what_it_needs(s3: S3Handle, bare: Bare, tmp_path: Path) -> None:
    packed(tmp_path / "mounted", "net_gone")
    bare.run(config("gone", "net_gone"), {**s3.env, "MNIST_CODE_DIR": str(tmp_path / "mounted")})
    files = s3.root / "models" / "gone"
    sys.path[:] = [folder for folder in sys.path if "code-" not in folder]
    del sys.modules["net_gone"]
    with pytest.raises(Exception, match=r"put its files on PYTHONPATH, or use model\.onnx, which needs none"):
        load_classifier((files / "model.safetensors").read_bytes(), "here")
