"""Ray Train's own files in a real store: written, found again by another process, and removed, without folders."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs
import pytest
from ray.train import Checkpoint, RunConfig
from ray.train.v2._internal.execution import storage
from tests.support.s3 import S3Handle, start_s3

from mnist_report import ray_store


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "models") as handle:
        yield handle


@pytest.fixture
def context(s3: S3Handle, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What Ray makes of `RunConfig(name, storage_path)` where the callback was imported."""
    for name, value in {**s3.env, "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(storage, "get_fs_and_path", storage.get_fs_and_path)
    ray_store.install()
    return RunConfig(name="mnist", storage_path="s3://models/a/checkpoints").storage_context


def files(s3: S3Handle) -> list[str]:
    root = s3.root / "models"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def s3_log(s3: S3Handle) -> str:
    """What the store itself has said."""
    return "".join(path.read_text(errors="replace") for path in s3.root.parent.glob("rclone-*.log"))


def test_checkpoints_are_kept_found_and_removed(s3: S3Handle, context: Any, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "state.pt").write_bytes(b"x" * 100_000)
    (tmp_path / "sub" / "more.pt").write_bytes(b"y")
    travelled = pickle.loads(pickle.dumps(context))  # to a worker
    for number in (1, 2, 3):
        kept = travelled.persist_current_checkpoint(Checkpoint.from_directory(tmp_path), f"checkpoint_{number}")
    with kept.as_directory() as folder:
        assert (Path(folder) / "state.pt").read_bytes() == b"x" * 100_000
    for number in (1, 3):
        storage.delete_fs_path(context.storage_filesystem, f"models/a/checkpoints/mnist/checkpoint_{number}")
    place = "a/checkpoints/mnist"
    assert "File.Rename" not in s3_log(s3), "no folder was written over"
    assert files(s3) == [
        f"{place}/.validate_storage_marker",
        f"{place}/checkpoint_2/state.pt",
        f"{place}/checkpoint_2/sub/more.pt",
    ]


def test_another_file_system_stays_what_it_is() -> None:
    local = pyarrow.fs.LocalFileSystem()
    assert ray_store.without_folders(local) is local


def test_a_file_system_of_the_scripts_own_is_not_touched(context: Any) -> None:
    assert isinstance(context.storage_filesystem, pyarrow.fs.PyFileSystem)
    own = pyarrow.fs.S3FileSystem()
    assert storage.get_fs_and_path("models/a", own)[0] is own
