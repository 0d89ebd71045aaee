import gzip
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.datasets import encode, small_dataset, write_folder

from mnist_trainer.data import load_folder, verify_folder
from mnist_trainer.data.files import Role
from mnist_trainer.data.sources import MIRRORS, MNIST, RemoteFile, copy_folder, enlarge, fetch_mnist, write_digits
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError, StoreUnreachableError
from mnist_trainer.store import RetryPolicy

QUICK = RetryPolicy(connect_timeout=1, read_timeout=1, give_up_after=0.3, backoff_base=0.05)


def test_digits(tmp_path: Path) -> None:
    paths = write_digits(tmp_path / "a")
    assert [p.name for p in paths] == [f"{role.value}.gz" for role in Role]
    dataset = load_folder(tmp_path / "a")
    assert dataset.train_images.shape == (1437, 28, 28)
    assert dataset.test_images.shape == (360, 28, 28)
    assert dataset.classes == 10
    assert set(np.bincount(dataset.test_labels)) <= {35, 36, 37}
    assert verify_folder(tmp_path / "a") == []
    write_digits(tmp_path / "b")
    for path in paths:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_enlarge_keeps_the_ink_in_the_middle() -> None:
    small = np.zeros((1, 8, 8), np.int64)
    small[0, 3:5, 3:5] = 16
    large = enlarge(small)[0]
    assert large.shape == (28, 28)
    assert large.max() == 255
    assert large[:4].sum() == large[-4:].sum() == large[:, :4].sum() == large[:, -4:].sum() == 0
    np.testing.assert_array_equal(large, large[::-1, ::-1])


def test_copy_folder_renames_and_checks(tmp_path: Path) -> None:
    arrays = small_dataset()
    files = {name.replace("-idx", ".idx"): data for name, data in encode(arrays).items()}
    copied = copy_folder(write_folder(tmp_path / "in", files), tmp_path / "out")
    assert [p.name for p in copied] == [f"{role.value}.gz" for role in Role]
    assert load_folder(tmp_path / "out").classes == 10
    assert copy_folder(tmp_path / "out", tmp_path / "out") == copied
    arrays[Role.TRAIN_LABELS] = arrays[Role.TRAIN_LABELS][:-1]
    with pytest.raises(DatasetInvalidError):
        copy_folder(write_folder(tmp_path / "bad", encode(arrays)), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_unwritable_target(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    source = write_folder(tmp_path / "in", encode(small_dataset()))
    with pytest.raises(InvalidConfigError, match="file"):
        copy_folder(source, tmp_path / "file" / "below")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    root = tmp_path / "mirror"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, directory=str(root), **kwargs)  # type: ignore[arg-type,misc]

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", root
        server.shutdown()


def remote(root: Path, name: str = "data.gz") -> RemoteFile:
    data = gzip.compress(b"published" * 1000)
    (root / name).write_bytes(data)
    return RemoteFile(name, len(data), hashlib.sha256(data).hexdigest())


def test_mirrors_in_turn(mirror: tuple[str, Path], tmp_path: Path) -> None:
    url, root = mirror
    file = remote(root)
    seen: list[tuple[str, int, int]] = []
    mirrors = ["http://127.0.0.1:1/", f"{url}not-there/", url]
    paths = fetch_mnist(tmp_path / "out", lambda *a: seen.append(a), mirrors, [file], QUICK)
    assert paths[0].read_bytes() == (root / "data.gz").read_bytes()
    assert seen[-1] == ("data.gz", file.size, file.size)
    # What is there already is kept, without asking anybody.
    assert fetch_mnist(tmp_path / "out", None, ["http://127.0.0.1:1/"], [file], QUICK) == paths


@pytest.mark.parametrize("damage", [b"", b"x" * 10, b"x" * 500_000])
def test_other_bytes_than_published_are_refused(mirror: tuple[str, Path], tmp_path: Path, damage: bytes) -> None:
    url, root = mirror
    file = remote(root)
    (root / "data.gz").write_bytes(damage)
    with pytest.raises(StoreUnreachableError, match=r"no mirror gave data\.gz"):
        fetch_mnist(tmp_path / "out", None, [url], [file], QUICK)
    assert not (tmp_path / "out" / "data.gz").exists()


def test_offline_says_what_else_there_is(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachableError, match=r"connection refused.*--source digits") as caught:
        fetch_mnist(tmp_path, None, ["http://127.0.0.1:1/"], MNIST[:1], QUICK)
    assert "\n" not in caught.value.message


def test_mirrors_use_https() -> None:
    assert all(url.startswith("https://") and url.endswith("/") for url in MIRRORS)
