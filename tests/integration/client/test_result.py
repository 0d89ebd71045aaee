"""What a training left: files that are checked, figures, and a model that answers without PyTorch."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.s3 import S3Handle, start_s3
from tests.support.scene import Scene

from mnist_client import AsyncClient, Client, NotFinishedError, StorageError, TrainingFailed
from mnist_trainer.inference.export import encode_weights_as_onnx
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan, make_recipe
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

SPEC = ModelSpec("mlp", 10, 28, 28, 1)
BLOCKED = """
import sys
import threading

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "torch", "kopf", "onnx", "kubernetes", "mnist_local"}:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Blocked())
from mnist_client import Client
with Client() as client:
    result = client.result("mnist")
    print(result.metrics["accuracy"], result.download("model.onnx", sys.argv[1]).name)
    print(result.predict(sys.argv[2]).best.label)
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "models") as handle:
        yield handle


@pytest.fixture(scope="module")
def onnx() -> bytes:
    """An untrained network: its answers are what they are, and always the same."""
    torch.manual_seed(3)
    weights = {name: tensor.numpy() for name, tensor in build(SPEC).state_dict().items()}
    plan = TrainingPlan(SPEC, make_recipe(SPEC.name, 100, 1, 8, 1, None), Normalisation(0.13, 0.31), lineage="abc")
    return encode_weights_as_onnx(weights, plan, 0.5)


class Output:
    """Where a training has left something. By the store's own API: the server would not see a file in its folder."""

    def __init__(self, s3: S3Handle, address: str) -> None:
        self._store = ObjectStore(StoreSettings.from_env(s3.env))
        self.address = S3Address.parse(address)

    def put(self, name: str, data: bytes) -> None:
        self._store.put_bytes(self.address.child(name), data)


@pytest.fixture
def finished(scene: Scene, s3: S3Handle, onnx: bytes, monkeypatch: pytest.MonkeyPatch) -> Output:
    """What a training that has succeeded has left."""
    made = scene.create(storage={"output": "s3://models"})
    output = Output(s3, f"s3://models/{scene.namespace}/mnist/{made['metadata']['uid']}")
    files = {"model.onnx": onnx, "metrics.json": b'{"accuracy": 0.5}', "report.html": b"<p>"}
    for name, data in files.items():
        output.put(name, data)
    entries = [{"name": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()]
    output.put("MANIFEST.json", json.dumps({"files": entries}).encode())
    names = {"metrics": "metrics.json", "manifest": "MANIFEST.json"}
    result = {key: str(output.address.child(name)) for key, name in names.items()}
    scene.status(phase="Succeeded", attempt=1, result={"accuracy": 0.5, **result})
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    return output


def test_files_and_figures(finished: Output, client: Client, tmp_path: Path, onnx: bytes) -> None:
    result = client.result("mnist")
    assert (result.accuracy, result.metrics) == (0.5, {"accuracy": 0.5})
    assert result.files == ["model.onnx", "metrics.json", "report.html"]
    assert result.download("model.onnx", tmp_path) == tmp_path / "model.onnx"
    assert (tmp_path / "model.onnx").read_bytes() == onnx
    assert result.download("report.html", tmp_path / "new" / "r.html").read_bytes() == b"<p>"
    assert result.read("report.html") == b"<p>"
    with pytest.raises(StorageError, match=r"nothing\.txt"):
        result.download("nothing.txt", tmp_path)


def test_a_file_that_is_not_the_sealed_one_is_not_kept(finished: Output, client: Client, tmp_path: Path) -> None:
    finished.put("report.html", b"changed")
    with pytest.raises(StorageError, match="is not the file that was sealed"):
        client.result("mnist").download("report.html", tmp_path)
    assert list(tmp_path.glob("*.html")) == []
    finished.put("model.onnx", b"changed")
    with pytest.raises(StorageError, match="is not the file that was sealed"):
        client.result("mnist").predict(np.zeros((28, 28), np.uint8))


def test_pictures_of_every_kind(finished: Output, client: Client, tmp_path: Path) -> None:
    result = client.result("mnist")
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:16] = 255
    as_is = result.predict(image)
    assert 0 < as_is.best.confidence <= 1
    Image.fromarray(255 - image).resize((280, 280)).save(tmp_path / "photo.png")
    answers = result.predict([str(tmp_path / "photo.png"), tmp_path / "photo.png", Image.open(tmp_path / "photo.png")])
    assert len({answer.best.label for answer in answers}) == 1
    assert answers[0].file == str(tmp_path / "photo.png")
    assert result.predict([]) == []
    for wrong, says in ((image.astype(np.float32), "uint8"), (tmp_path / "none.png", r"none\.png")):
        with pytest.raises(StorageError, match=says):
            result.predict(wrong)


def test_without_pytorch_ray_and_onnx(finished: Output, tmp_path: Path) -> None:
    Image.new("L", (28, 28), 255).save(tmp_path / "blank.png")
    command = [sys.executable, "-c", BLOCKED, str(tmp_path), str(tmp_path / "blank.png")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    accuracy, name, label = ran.stdout.split()
    assert (accuracy, name, 0 <= int(label) < 10) == ("0.5", "model.onnx", True)


async def test_as_coroutines(finished: Output, aclient: AsyncClient, tmp_path: Path) -> None:
    result = await aclient.result("mnist")
    assert (await result.metrics(), await result.files()) == (
        {"accuracy": 0.5},
        ["model.onnx", "metrics.json", "report.html"],
    )
    assert (await result.download("report.html", tmp_path)).read_bytes() == b"<p>"
    assert (await result.predict(np.zeros((28, 28), np.uint8))).best.confidence > 0


def add_secret(scene: Scene, name: str, values: dict[str, str]) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    scene.kube.create(f"/api/v1/namespaces/{scene.namespace}/secrets", body)


@pytest.mark.parametrize("name", ["mnist-storage", "minio-credentials"])
def test_credentials_from_a_secret(
    finished: Output, scene: Scene, client: Client, s3: S3Handle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for key in s3.env:
        monkeypatch.delenv(key)
    with pytest.raises(StorageError, match="no storage credentials: set AWS_ACCESS_KEY_ID"):
        client.result("mnist").read("report.html")
    add_secret(scene, name, s3.env)
    assert client.result("mnist").read("report.html") == b"<p>"


def test_refused_credentials_are_replaced_by_the_secret_s(
    finished: Output, scene: Scene, client: Client, s3: S3Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "store")
    with pytest.raises(StorageError):
        client.result("mnist").read("report.html")
    add_secret(scene, "mnist-storage", s3.env)
    assert client.result("mnist").read("report.html") == b"<p>"


def test_a_result_that_is_read_after_the_client_was_closed_says_so(
    finished: Output, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with Client() as client:
        result = client.result("mnist")
    with pytest.raises(RuntimeError, match="the client is closed: make a new one"):
        result.read("report.html")


def test_no_result_yet(scene: Scene, client: Client) -> None:
    scene.create()
    scene.status(phase="Running", message="Training on 2 workers")
    with pytest.raises(NotFinishedError, match=r"mnist has no result \(Running: Training on 2 workers\)"):
        client.result("mnist")


@pytest.mark.parametrize(
    "read", [lambda c: list(c.logs("mnist")), lambda c: list(c.logs("mnist", follow=True))], ids=["once", "follow"]
)
def test_the_log_in_the_bucket_once_the_pods_are_gone(
    finished: Output, client: Client, read: Callable[[Client], list[str]]
) -> None:
    parts = {"driver": "three\n", "driver.1": "two\n", "driver.10": "one\n", "worker-0": "not this\n"}
    for part, text in parts.items():
        finished.put(f"logs/attempt-1/{part}.log", text.encode())
    assert read(client) == ["one", "two", "three"]
    assert list(client.logs("mnist", tail=2, attempt=1)) == ["two", "three"]


def test_the_log_of_a_suspended_training_and_of_the_attempt_after_it(
    finished: Output, scene: Scene, client: Client
) -> None:
    finished.put("logs/attempt-1/driver.log", b"one\n")
    scene.status(phase="Suspended", attempt=1)
    assert list(client.logs("mnist", wait=False)) == ["one"]
    assert list(client.logs("mnist", timeout=60)) == ["one"]
    lines = client.logs("mnist", follow=True, timeout=60)
    assert next(lines) == "one"
    finished.put("logs/attempt-2/driver.log", b"two\n")
    scene.status(phase="Succeeded", attempt=2)
    assert list(lines) == ["two"]


def by_http(scene: Scene, s3: S3Handle, monkeypatch: pytest.MonkeyPatch) -> Output:
    """A training that KubeRay submits itself, so that no pod has its log; it runs."""
    made = scene.create(storage={"output": "s3://models"}, submission={"mode": "HTTP"})
    scene.status(phase="Running", attempt=1, rayCluster={"headPod": "mnist-head"})
    scene.pod("mnist-head", "the head's own log\n")
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    return Output(s3, f"s3://models/{scene.namespace}/mnist/{made['metadata']['uid']}/logs")


def test_by_http_the_log_comes_from_the_bucket_while_it_is_written(
    scene: Scene, client: Client, s3: S3Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_client.logs._UPLOADED_EVERY_S", 0.2)
    monkeypatch.setattr("mnist_client.logs._SILENT_S", 0.2)
    logs = by_http(scene, s3, monkeypatch)
    assert list(client.logs("mnist", wait=False)) == ["the head's own log"]
    threading.Timer(0.5, logs.put, ("attempt-1/driver.log", b"one\n")).start()
    seen = []
    for line in client.logs("mnist", follow=True, timeout=60):
        seen.append(line)
        if line == "one":
            logs.put("attempt-1/driver.log", b"one\ntwo\n")
        elif line == "two":
            scene.status(attempt=2)
            logs.put("attempt-1/driver.log", b"one\ntwo\nlast of it\n")
            logs.put("attempt-2/driver.log", b"again\n")
        elif line == "again":
            scene.status(phase="Succeeded")
    assert seen == ["one", "two", "last of it", "again"]
    assert list(client.logs("mnist", tail=1)) == ["again"]
    assert list(client.logs("mnist", attempt=1, tail=2)) == ["two", "last of it"]


def test_a_failure_without_a_tail_in_its_status_has_the_one_of_the_bucket(
    scene: Scene, client: Client, s3: S3Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = by_http(scene, s3, monkeypatch)
    logs.put("attempt-1/driver.log", "".join(f"line {number}\n" for number in range(30)).encode())
    scene.status(phase="Failed", reason="X", message="it broke")
    for call in (client.wait, client.progress):
        with pytest.raises(TrainingFailed) as caught:
            call("mnist")
        assert caught.value.log_tail.splitlines() == [f"line {number}" for number in range(10, 30)]


def test_by_http_without_a_way_to_the_bucket_it_is_the_head_s_own_log(
    scene: Scene, client: Client, s3: S3Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_http(scene, s3, monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert list(client.logs("mnist")) == ["the head's own log"]
