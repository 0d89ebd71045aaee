from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.faulty_proxy import FaultyProxy
from tests.support.s3 import S3Handle, start_s3

from mnist_trainer.store import ObjectStore, RetryPolicy, StoreSettings

# Short enough for tests, long enough for a busy machine.
PATIENCE = RetryPolicy(connect_timeout=2, read_timeout=1, give_up_after=4, backoff_base=0.01, backoff_max=0.05)
IMPATIENCE = replace(PATIENCE, read_timeout=0.5, give_up_after=1)
"""For faults that no patience outlives."""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "datasets", "models") as handle:
        yield handle


@pytest.fixture
def store(s3: S3Handle) -> ObjectStore:
    return ObjectStore(StoreSettings.from_env(s3.env))


@pytest.fixture
def proxy(s3: S3Handle) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3.endpoint) as proxy:
        yield proxy


@pytest.fixture
def shaky(s3: S3Handle, proxy: FaultyProxy) -> ObjectStore:
    """The store seen through the proxy."""
    return ObjectStore(StoreSettings.from_env(s3.env, endpoint=proxy.endpoint), PATIENCE)


@pytest.fixture
def impatient(s3: S3Handle, proxy: FaultyProxy) -> ObjectStore:
    """The store seen through the proxy, given up after a second."""
    return ObjectStore(StoreSettings.from_env(s3.env, endpoint=proxy.endpoint), IMPATIENCE)
