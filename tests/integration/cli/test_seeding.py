from pathlib import Path

import pytest
from tests.support.datasets import encode, small_dataset, write_folder
from tests.support.s3 import S3Handle

from mnist_cli.local.seeding import check_folder, seed
from mnist_trainer.data import load_dataset
from mnist_trainer.errors import DatasetNotFoundError, InvalidConfigError
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings


@pytest.fixture
def store(s3: S3Handle) -> ObjectStore:
    return ObjectStore(StoreSettings.from_env(s3.env))


def test_digits_then_what_is_there(store: ObjectStore) -> None:
    address = S3Address("made-here", "digits")
    assert "offline digits" in seed(store, address, None)
    before = {info.address: info.modified for info in store.list(address)}
    assert seed(store, address, None) == "already there"
    assert {info.address: info.modified for info in store.list(address)} == before
    assert len(load_dataset(store, address).train_images) == 1437


def test_a_folder_replaces_what_is_there(store: ObjectStore, tmp_path: Path) -> None:
    address = S3Address("made-here", "mine")
    plain = write_folder(tmp_path / "plain", encode(small_dataset(), compress=False))
    assert seed(store, address, check_folder(plain)) == f"from {plain}"
    assert seed(store, address, check_folder(plain)) == f"from {plain}, already there"
    store.put_bytes(address.child("README"), b"stays")
    # The same names but for .gz: the plain ones must go, or they would be taken instead.
    packed = write_folder(tmp_path / "packed", encode(small_dataset(train=60)))
    assert seed(store, address, check_folder(packed)) == f"from {packed}"
    assert len(load_dataset(store, address).train_images) == 60
    assert len(list(store.list(address))) == 5


def test_a_folder_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no dataset there"):
        check_folder(tmp_path)
    with pytest.raises(InvalidConfigError, match="no such folder"):
        check_folder(tmp_path / "none")
    assert check_folder(None) is None
