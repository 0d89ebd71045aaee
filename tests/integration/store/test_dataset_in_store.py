"""Datasets read from a real S3 server."""

import uuid

import pytest
from tests.support.datasets import encode, small_dataset
from tests.support.faulty_proxy import DENIED, SLOW_DOWN, Fault, FaultyProxy

from mnist_trainer.data import load_dataset, verify
from mnist_trainer.errors import (
    BucketNotFoundError,
    DatasetInvalidError,
    DatasetNotFoundError,
    StoreAccessDeniedError,
    StoreUnreachableError,
)
from mnist_trainer.store import ObjectStore, S3Address

FILES = encode(small_dataset())


@pytest.fixture
def address(store: ObjectStore) -> S3Address:
    address = S3Address("datasets", f"set-{uuid.uuid4().hex[:8]}")
    for name, data in FILES.items():
        store.put_bytes(address.child(name), data)
    return address


def test_loads(store: ObjectStore, address: S3Address) -> None:
    store.put_bytes(address.child("README.md"), b"not part of it")
    store.put_bytes(address.child("old/train-images-idx3-ubyte"), b"nor is this")
    dataset = load_dataset(store, address)
    assert (dataset.train_images.shape, dataset.classes) == ((40, 8, 8), 10)
    assert verify(store, address) == []


def test_problems_name_the_object(store: ObjectStore, address: S3Address) -> None:
    name = "train-labels-idx1-ubyte.gz"
    store.put_bytes(address.child(name), FILES[name][:-9])
    with pytest.raises(DatasetInvalidError, match=f"^{address}/{name}: truncated"):
        load_dataset(store, address)
    assert [(f.severity, f.where) for f in verify(store, address)] == [("error", f"{address}/{name}")]
    store.delete(address.child(name))
    with pytest.raises(DatasetNotFoundError, match=f"^{address}: train-labels-idx1-ubyte is missing"):
        load_dataset(store, address)


def test_nothing_there(store: ObjectStore) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"^s3://datasets/none: no dataset there"):
        load_dataset(store, S3Address("datasets", "none"))
    with pytest.raises(BucketNotFoundError):
        load_dataset(store, S3Address("nowhere", "none"))


def test_a_prefix_above_the_dataset_is_told_where_it_is(store: ObjectStore) -> None:
    above = S3Address("datasets", f"above-{uuid.uuid4().hex[:8]}")
    for name, data in FILES.items():
        store.put_bytes(above.child(f"MNIST/raw/{name}"), data)
    with pytest.raises(DatasetNotFoundError, match=f"^{above}: no dataset there, but .* give {above}/MNIST/raw$"):
        load_dataset(store, above)


def test_names_of_classes_lie_beside_the_files(store: ObjectStore, address: S3Address) -> None:
    store.put_bytes(address.child("classes.json"), b'{"1": "one"}')
    assert load_dataset(store, address).class_names[:3] == ("0", "one", "2")


def test_through_a_shaky_connection(shaky: ObjectStore, proxy: FaultyProxy, address: S3Address) -> None:
    proxy.faults.extend([SLOW_DOWN, None, Fault(drop_after=50), SLOW_DOWN, Fault(reset=True)])
    assert load_dataset(shaky, address).classes == 10


def test_store_goes_away_or_refuses_while_reading(shaky: ObjectStore, proxy: FaultyProxy, address: S3Address) -> None:
    proxy.only = lambda method, path: "images" in path
    proxy.always = DENIED
    with pytest.raises(StoreAccessDeniedError, match="train-images"):
        load_dataset(shaky, address)
    proxy.always = SLOW_DOWN
    with pytest.raises(StoreUnreachableError, match="train-images"):
        verify(shaky, address)
