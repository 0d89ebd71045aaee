"""`submit(training, code=...)`: to the bucket by digest, and into `spec.code.archive`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.s3 import S3Handle, start_s3
from tests.support.scene import Scene

from mnist_client import Client, RefusedError, StorageError, Training
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "models") as handle:
        yield handle


@pytest.fixture
def store(s3: S3Handle, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The bucket, with its credentials in the environment."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    return ObjectStore(StoreSettings.from_env(s3.env))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text("print('hello')\n")
    return path


def archives(store: ObjectStore) -> list[str]:
    return [str(info.address) for info in store.list(S3Address.parse("s3://models/code"))]


def test_a_script_is_uploaded_once_and_named_in_the_spec(
    scene: Scene, client: Client, store: ObjectStore, script: Path
) -> None:
    before = archives(store)
    made = client.submit(Training("mnist", output="s3://models/results"), code=script)
    code = made.spec.code
    assert code is not None
    assert code.command == ["python", "train.py"]
    assert code.archive is not None
    assert code.archive.url == f"s3://models/code/{code.archive.sha256}.zip"
    data = store.get_bytes(S3Address.parse(code.archive.url))
    assert hashlib.sha256(data).hexdigest() == code.archive.sha256
    assert client.apply(Training("mnist", output="s3://models/results"), code=script)[0] == "unchanged"
    assert client.submit(Training("other", output="s3://models"), code=script).spec.code == code
    assert archives(store) == [*before, code.archive.url]


def test_what_is_refused_uploads_nothing(
    scene: Scene, client: Client, store: ObjectStore, script: Path, tmp_path: Path
) -> None:
    script.write_text("print('refused')\n")
    before = archives(store)
    with pytest.raises(RefusedError, match="is refused"):
        client.submit(Training("mnist", output="s3://models", epochs=7), code=script)
    with pytest.raises(RefusedError, match="nothing tells what of the folder is to be run"):
        client.submit(Training("mnist", output="s3://models"), code=tmp_path)
    client.submit(Training("mnist", output="s3://models"), code=script, dry_run=True)
    assert archives(store) == before
    assert scene.kube.get(f"{scene.trainings}/mnist") is None


def test_a_bucket_that_cannot_be_written_submits_nothing(scene: Scene, client: Client, script: Path) -> None:
    with pytest.raises(StorageError, match="no storage credentials: set AWS_ACCESS_KEY_ID"):
        client.submit(Training("mnist", output="s3://models"), code=script)
    assert scene.kube.get(f"{scene.trainings}/mnist") is None
