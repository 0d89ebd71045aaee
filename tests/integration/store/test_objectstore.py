import hashlib
import os
import pickle
from pathlib import Path

import pytest
from tests.support.s3 import S3Handle

from mnist_trainer.errors import (
    BucketNotFoundError,
    InvalidConfigError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    StoreAccessDeniedError,
    StoreUnreachableError,
)
from mnist_trainer.store import ObjectStore, RetryPolicy, S3Address, StoreSettings

MODELS = S3Address("models")


def test_round_trip_of_bytes(store: ObjectStore) -> None:
    address = MODELS.child("a b/ü.bin")
    data = os.urandom(5000)
    written = store.put_bytes(address, data, "text/plain")
    assert (written.size, written.sha256) == (5000, hashlib.sha256(data).hexdigest())
    assert written.etag == hashlib.md5(data).hexdigest()
    assert store.get_bytes(address) == data
    found = store.stat(address)
    assert (found.size, found.etag) == (5000, written.etag)
    assert found.modified is not None


def test_empty_object(store: ObjectStore, tmp_path: Path) -> None:
    address = MODELS.child("empty")
    assert store.put_bytes(address, b"").size == 0
    assert store.get_bytes(address) == b""
    assert store.get_file(address, tmp_path / "empty").size == 0


@pytest.mark.parametrize("size", [1 << 20, (40 << 20) + 17])  # one part; three parts, the last one odd
def test_round_trip_of_files(store: ObjectStore, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "in", tmp_path / "new" / "out"
    source.write_bytes(os.urandom(size))
    sent: list[tuple[int, int]] = []
    got: list[tuple[int, int]] = []
    written = store.put_file(source, MODELS.child("file"), progress=lambda done, total: sent.append((done, total)))
    read = store.get_file(MODELS.child("file"), target, progress=lambda done, total: got.append((done, total)))
    assert target.read_bytes() == source.read_bytes()
    assert written.sha256 == read.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    for calls in (sent, got):
        assert calls == sorted(calls)
        assert calls[-1] == (size, size)
        assert len(calls) > 3
    assert [p.name for p in target.parent.iterdir()] == ["out"]


def test_list_is_by_folder_and_crosses_pages(store: ObjectStore, s3: S3Handle) -> None:
    folder = s3.root / "datasets" / "many"
    folder.mkdir(parents=True)
    for index in range(1003):
        (folder / f"{index:04}").write_bytes(b"x")
    (s3.root / "datasets" / "many-others").write_bytes(b"x")
    names = [found.address.name for found in store.list(S3Address("datasets", "many"))]
    assert names == [f"{index:04}" for index in range(1003)]
    assert list(store.list(S3Address("datasets", "nothing"))) == []


def test_delete_copy_exists(store: ObjectStore) -> None:
    store.put_bytes(MODELS.child("x"), b"data")
    assert store.copy(MODELS.child("x"), S3Address("datasets", "y")).size == 4
    store.delete(MODELS.child("x"))
    store.delete(MODELS.child("x"))
    assert not store.exists(MODELS.child("x"))
    assert store.get_bytes(S3Address("datasets", "y")) == b"data"
    with pytest.raises(InvalidConfigError):
        store.delete(MODELS)


def test_make_bucket_twice(store: ObjectStore) -> None:
    store.make_bucket(S3Address("fresh"))
    store.make_bucket(S3Address("fresh"))
    store.check(S3Address("fresh"), write=True)
    assert list(store.list(S3Address("fresh"))) == []


def test_what_is_missing_is_told_apart(store: ObjectStore) -> None:
    with pytest.raises(BucketNotFoundError, match="s3://nowhere"):
        store.check(S3Address("nowhere"))
    with pytest.raises(BucketNotFoundError):
        store.put_bytes(S3Address("nowhere", "x"), b"data")
    with pytest.raises(ObjectNotFoundError, match="s3://models/nothing"):
        store.get_bytes(MODELS.child("nothing"))
    with pytest.raises(ObjectNotFoundError):
        store.stat(MODELS.child("nothing"))


def test_get_file_leaves_nothing_when_it_fails(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFoundError):
        store.get_file(MODELS.child("nothing"), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_max_bytes(store: ObjectStore) -> None:
    store.put_bytes(MODELS.child("ten"), b"0123456789")
    assert store.get_bytes(MODELS.child("ten"), max_bytes=10) == b"0123456789"
    with pytest.raises(ObjectTooLargeError, match="10 bytes, more than the 9"):
        store.get_bytes(MODELS.child("ten"), max_bytes=9)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": "unknown"}, "AWS_ACCESS_KEY_ID"),
        ({"AWS_SECRET_ACCESS_KEY": "hunter2"}, "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_wrong_credentials(s3: S3Handle, change: dict[str, str], says: str) -> None:
    wrong = ObjectStore(StoreSettings.from_env({**s3.env, **change}))
    for call in (lambda: wrong.check(MODELS), lambda: wrong.put_bytes(MODELS.child("x"), b"1")):
        with pytest.raises(StoreAccessDeniedError, match=says) as caught:
            call()
        assert "hunter2" not in caught.value.message


def test_nobody_listens() -> None:
    settings = StoreSettings("http://127.0.0.1:1", access_key="k", secret_key="s")
    store = ObjectStore(settings, RetryPolicy(give_up_after=0.5, backoff_base=0.05))
    with pytest.raises(StoreUnreachableError, match=r"127.0.0.1:1 .*connection refused \(gave up after \d tries"):
        store.check(MODELS)


def test_tls_against_a_plain_server(s3: S3Handle) -> None:
    settings = StoreSettings.from_env(s3.env, endpoint=s3.endpoint.replace("http:", "https:"))
    with pytest.raises(InvalidConfigError, match="http:// instead of https://"):
        ObjectStore(settings).check(MODELS)


def test_missing_local_file(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="No such file"):
        store.put_file(tmp_path / "none", MODELS.child("x"))


def test_pickles(store: ObjectStore) -> None:
    again = pickle.loads(pickle.dumps(store))
    again.check(MODELS)
    assert store.settings.secret_key not in repr(again)  # type: ignore[operator]
