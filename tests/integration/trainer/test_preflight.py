"""An output that is missing or read-only is found before any worker is asked for, with a reason to act on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.bare_training import Bare
from tests.support.datasets import encode, small_dataset, write_folder
from tests.support.faulty_proxy import DENIED, FaultyProxy
from tests.support.s3 import S3Handle, start_s3

from mnist_trainer.config import parse_config
from mnist_trainer.errors import FailureReason
from mnist_trainer.run.preflight import check_storage
from mnist_trainer.store import ObjectStore, RetryPolicy, S3Address, StoreSettings


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "datasets", "models") as handle:
        write_folder(handle.root / "datasets" / "tiny", encode(small_dataset(train=60, classes=4)))
        yield handle


def reasons(s3: S3Handle, dataset: str, output: str, endpoint: str | None = None) -> dict[str, str]:
    """The reason for each address that will not do."""
    settings = StoreSettings.from_env(s3.env, endpoint=endpoint)
    store = ObjectStore(settings, RetryPolicy(give_up_after=5))
    checks = check_storage(store, S3Address.parse(dataset), S3Address.parse(output))
    assert [(check.subject, str(check.address)) for check in checks] == [("dataset", dataset), ("output", output)]
    return {check.subject: check.error.reason.value for check in checks if check.error}


def test_everything_that_is_wrong_is_found_at_once(s3: S3Handle) -> None:
    assert reasons(s3, "s3://datasets/tiny", "s3://models/good") == {}
    assert reasons(s3, "s3://datasets/tiny", "s3://nowhere/x") == {"output": "BucketNotFound"}
    assert reasons(s3, "s3://datasets/absent", "s3://nowhere/x") == {
        "dataset": "DatasetNotFound",
        "output": "BucketNotFound",
    }


def test_an_output_that_may_only_be_read_is_refused(s3: S3Handle) -> None:
    with FaultyProxy(s3.endpoint) as proxy:
        proxy.only, proxy.always = lambda method, _: method == "PUT", DENIED
        assert reasons(s3, "s3://datasets/tiny", "s3://models/x", proxy.endpoint) == {"output": "StoreAccessDenied"}


def test_the_check_leaves_nothing_behind(s3: S3Handle) -> None:
    reasons(s3, "s3://datasets/tiny", "s3://models/clean")
    assert not [path for path in Path(s3.root / "models").rglob("*") if path.is_file()]


def test_no_worker_is_asked_for_before_the_output_is_known_to_be_writable(s3: S3Handle, bare: Bare) -> None:
    asked: list[str] = []
    bare.training.begin = lambda *_, **__: asked.append("workers")
    config = parse_config({"dataset": "s3://datasets/tiny", "output": "s3://nowhere/x"})
    error = bare.failure(config, s3.env)
    assert (error.reason, asked) == (FailureReason.BUCKET_NOT_FOUND, [])
    assert "bucket does not exist" in error.message
    assert "s3://nowhere/x" in error.message


def test_a_run_says_all_that_is_wrong_with_its_addresses(s3: S3Handle, bare: Bare) -> None:
    error = bare.failure(parse_config({"dataset": "s3://datasets/absent", "output": "s3://nowhere/x"}), s3.env)
    assert error.reason is FailureReason.DATASET_NOT_FOUND
    assert "(BucketNotFound)" in bare.log.getvalue()
