"""A dataset beyond the memory that it may take is the same dataset, on each node's disk, and leaves nothing behind."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.datasets import encode, small_dataset, write_folder

from mnist_trainer.data import Dataset, disk, examine_folder, idx, load_folder
from mnist_trainer.data.disk import SharedFolder, dataset_memory, scratch_root, sweep
from mnist_trainer.data.files import Role
from mnist_trainer.data.places import InFolder
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError, OutOfSpaceError
from mnist_trainer.plan import Normalisation

ARRAYS = small_dataset(train=300, test=50)
TINY = 1000  # bytes of memory


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path_factory.mktemp("node")
    monkeypatch.setenv("MNIST_SCRATCH_DIR", str(root))
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "set", encode(ARRAYS))


def left_in(scratch: Path) -> list[str]:
    gc.collect()
    return sorted(path.name for path in scratch_root({"MNIST_SCRATCH_DIR": str(scratch)}).iterdir())


def same(one: Dataset, other: Dataset) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("train_images", "train_labels", "test_images")]
    return (one.digest, one.classes) == (other.digest, other.classes) and all(np.array_equal(*p) for p in pairs)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("prefix", ["", "emnist-balanced-"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_same_dataset(tmp_path: Path, scratch: Path, compress: bool, prefix: str, channels: int) -> None:
    arrays = small_dataset(train=300, test=50)
    for role in (Role.TRAIN_IMAGES, Role.TEST_IMAGES):
        arrays[role] = arrays[role][:, :, :6] if channels == 1 else np.stack([arrays[role]] * 3, axis=-1)
    files = {prefix + name.replace("t10k", "test"): data for name, data in encode(arrays, compress).items()}
    folder = write_folder(tmp_path / "set", files)
    small, large = load_folder(folder), load_folder(folder, TINY)
    assert small.source is None
    assert large.source is not None
    assert same(small, large)
    assert small.train_images.shape[1:3] == ((8, 8) if channels == 3 else (6, 8) if prefix else (8, 6))
    assert not large.train_images.flags.writeable
    assert Normalisation.of(small.train_images) == Normalisation.of(large.train_images)
    assert len(left_in(scratch)) == 2  # the folder and its lock
    del large
    assert left_in(scratch) == []


def test_another_node_gets_the_same(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_folder(folder, TINY)
    sent = pickle.dumps(here.portable())
    assert len(sent) < 6000 < here.train_images.nbytes
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("MNIST_SCRATCH_DIR", str(elsewhere))
    there = pickle.loads(sent).open()
    assert same(here, there)
    assert len(left_in(elsewhere)) == 2
    del there
    assert left_in(elsewhere) == []
    small = load_folder(folder)
    assert small.portable() is small
    assert small.open() is small


def test_workers_of_a_node_fetch_once_between_them(
    folder: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = load_folder(folder, TINY).portable()
    assert left_in(scratch) == []
    fetched = []
    unpack = disk._unpack

    def counting(path: Path, name: str, plain: Path | None) -> object:
        fetched.append(name)
        return unpack(path, name, plain)

    monkeypatch.setattr(disk, "_unpack", counting)
    together = threading.Barrier(4)

    def worker(_: int) -> Dataset:
        together.wait(10)
        return source.open()

    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(worker, range(4)))
    assert len(fetched) == 2
    assert all(same(opened[0], other) for other in opened)
    del opened
    assert left_in(scratch) == []


def test_data_that_changed_since_is_refused(folder: Path) -> None:
    source = load_folder(folder, TINY).portable()
    write_folder(folder, encode(small_dataset(train=300, test=50, seed=1)))
    with pytest.raises(DatasetInvalidError, match=r"train-images-idx3-ubyte\.gz: has changed since the training began"):
        source.open()


def test_what_is_wrong_is_said_as_in_memory(tmp_path: Path, scratch: Path) -> None:
    def problems(change: dict[str, bytes], memory: int | None) -> list[str]:
        folder = write_folder(tmp_path / "set", {**encode(ARRAYS), **change})
        return [str(finding) for finding in examine_folder(folder, memory)[0]]

    name = "train-images-idx3-ubyte.gz"
    good = encode(ARRAYS)[name]
    changes = [{name: good[:-9]}, {name: good[:200]}, {name: good + b"x"}, {name: good[:-1] + b"x"}]
    changes += [{"t10k-labels-idx1-ubyte.gz": b""}, {name: encode(small_dataset(train=299))[name]}]
    for change in changes:
        found = problems(change, TINY)
        assert found
        assert found == problems(change, None)
    assert left_in(scratch) == []


def test_full_disk(folder: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "_unpack", full)
        with pytest.raises(OutOfSpaceError, match=r"no space left.*larger scratch volume") as caught:
            load_folder(folder, TINY)
        assert "\n" not in caught.value.message
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: _Usage(10_000))
    with pytest.raises(OutOfSpaceError, match=r"needs 0 MiB on this machine's disk.*0 MiB left; give the pods"):
        load_folder(folder, TINY)
    assert left_in(scratch) == []


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


WITHIN = """
import resource, sys
from pathlib import Path
import numpy as np
from mnist_trainer.data import load_folder
from mnist_trainer.plan import Normalisation

status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
used = int(status["VmData"].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (112 << 20),) * 2)  # private memory; mapped files do not count
memory = int(sys.argv[2]) if len(sys.argv) > 2 else None
dataset = load_folder(Path(sys.argv[1]), memory).portable().open()
Normalisation.of(dataset.train_images)
batch = dataset.train_images[np.random.default_rng(0).integers(0, len(dataset.train_images), 512)]
print(len(dataset.train_images), batch.shape, dataset.source is not None)
"""


def test_a_dataset_larger_than_the_memory_is_read(tmp_path: Path) -> None:
    """128 MiB of images with 112 MiB of memory to be had, of which threads take some."""
    few = small_dataset(train=512, test=50, side=16)
    arrays = {**few, Role.TRAIN_IMAGES: np.tile(few[Role.TRAIN_IMAGES], (1024, 1, 1))}
    arrays[Role.TRAIN_LABELS] = np.tile(few[Role.TRAIN_LABELS], 1024)
    folder = write_folder(tmp_path / "set", encode(arrays, compress=False))

    def read(*memory: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHIN, str(folder), *memory]
        return subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=100)

    on_disk = read("1000000")
    assert on_disk.stdout == "524288 (512, 16, 16) True\n", on_disk.stderr
    in_memory = read()
    assert (in_memory.returncode, "MemoryError" in in_memory.stderr) == (1, True)


def test_what_a_crash_leaves_goes_with_the_next(folder: Path, scratch: Path) -> None:
    crash = (
        "import os, pathlib; from mnist_trainer.data import load_folder;"
        f"kept = load_folder(pathlib.Path({str(folder)!r}), {TINY}); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", crash], env={**os.environ}, timeout=60).returncode == 9
    assert len(left_in(scratch)) == 2
    root = scratch_root()
    held = SharedFolder(root, "held")
    sweep(root)
    assert left_in(scratch) == ["held", "held.lock"]
    held.release()
    held.release()
    assert left_in(scratch) == []


def test_a_folder_is_removed_by_its_last_holder(scratch: Path) -> None:
    first, second = SharedFolder(scratch_root(), "k"), SharedFolder(scratch_root(), "k")
    first.release()
    assert left_in(scratch) == ["k", "k.lock"]
    second.release()
    assert left_in(scratch) == []


def test_somebody_elses_folder_is_not_used(scratch: Path, tmp_path: Path) -> None:
    (scratch / f"mnist-datasets-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(InvalidConfigError, match="belongs to somebody else"):
        scratch_root()


def test_small_files_are_not_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("looked at")

    monkeypatch.setattr(InFolder, "head", never)
    assert load_folder(folder).source is None


@pytest.mark.parametrize("value", ["5GB", "-1", "1.5"])
def test_the_limit_is_a_number(value: str) -> None:
    with pytest.raises(InvalidConfigError, match="MNIST_DATASET_MEMORY_BYTES"):
        dataset_memory({"MNIST_DATASET_MEMORY_BYTES": value})


def test_the_limit_follows_the_machine() -> None:
    assert dataset_memory({"MNIST_DATASET_MEMORY_BYTES": "12"}) == 12
    assert 256 << 20 <= dataset_memory({}) <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


IMAGES = idx.write_idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
PACKED = idx.write_idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), compress=True)


@given(
    st.one_of(st.binary(max_size=80), st.sampled_from([IMAGES, PACKED])),
    st.integers(0, 80),
    st.binary(max_size=3),
    st.booleans(),
)
def test_any_bytes_unpack_as_they_read(data: bytes, cut: int, more: bytes, damage: bool) -> None:
    data = data[:cut] + more if damage else data
    written = bytearray()
    try:
        shape = idx.unpack_images(data, "x", written.extend)
    except DatasetInvalidError as error:
        with pytest.raises(DatasetInvalidError) as caught:
            idx.read_images(data, "x", max_bytes=1 << 20)
        assert caught.value.message == error.message or "more than" in caught.value.message  # noqa: PT017
        return
    array = idx.read_images(data, "x")
    assert array.shape == shape
    assert bytes(written) == idx.write_idx(array)
    assert idx.images_shape(data[:400], "x") == shape
