"""The store slow, refusing, dropping connections, damaging data, full: a bounded end, or success when it recovers."""

import os
import time
from pathlib import Path

import pytest
from tests.support.faulty_proxy import DENIED, RESET, SLOW_DOWN, STALL, Fault, FaultyProxy

from mnist_trainer.errors import (
    InvalidConfigError,
    OutOfSpaceError,
    StoreAccessDeniedError,
    StoreUnreachableError,
    TrainerError,
)
from mnist_trainer.store import ObjectStore, S3Address

ADDRESS = S3Address("models", "x")
DATA = os.urandom(3 << 20)

PASSING = {
    "slow down": SLOW_DOWN,
    "gateway page": Fault(status=502, content_type="text/html", body=b"<html>bad gateway</html>"),
    "internal error": Fault(status=500, code="InternalError"),
    "too many": Fault(status=429, code="TooManyRequests"),
    "no body": Fault(status=503, body=b""),
    "reset": RESET,
    "stall": STALL,
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_passing_faults_are_outlived(shaky: ObjectStore, proxy: FaultyProxy, fault: Fault) -> None:
    proxy.faults.extend([fault, fault])
    shaky.put_bytes(ADDRESS, DATA)
    proxy.faults.extend([fault, fault])
    assert shaky.get_bytes(ADDRESS) == DATA
    proxy.faults.append(fault)
    assert [found.address for found in shaky.list(S3Address("models"))] == [ADDRESS]


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_lasting_faults_end_in_time(impatient: ObjectStore, proxy: FaultyProxy, fault: Fault) -> None:
    proxy.always = fault
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=r"gave up after \d+ (try|tries)") as caught:
        impatient.get_bytes(ADDRESS)
    assert proxy.endpoint in caught.value.message
    assert time.monotonic() - started < 8 * impatient.policy.give_up_after  # a bound for busy machines, not a timing


def test_broken_download_goes_on_where_it_broke(
    store: ObjectStore, shaky: ObjectStore, proxy: FaultyProxy, tmp_path: Path
) -> None:
    store.put_bytes(ADDRESS, DATA)
    proxy.faults.extend([Fault(drop_after=1 << 20), Fault(drop_after=1 << 20)])
    progress: list[int] = []
    shaky.get_file(ADDRESS, tmp_path / "x", progress=lambda done, _: progress.append(done))
    assert (tmp_path / "x").read_bytes() == DATA
    assert progress == sorted(progress)  # nothing was fetched twice
    assert len([r for r in proxy.requests if r[0] == "GET"]) == 3


def test_object_that_changes_between_tries_is_read_anew(
    store: ObjectStore, shaky: ObjectStore, proxy: FaultyProxy, tmp_path: Path
) -> None:
    store.put_bytes(ADDRESS, DATA)
    other = DATA[::-1]

    def change(method: str, path: str) -> bool:
        if len(proxy.requests) == 2:
            store.put_bytes(ADDRESS, other)
        return True

    proxy.only = change
    proxy.faults.append(Fault(drop_after=1 << 20))
    info = shaky.get_file(ADDRESS, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == other
    assert info.size == len(other)


def test_upload_whose_answer_is_lost_is_repeated(store: ObjectStore, shaky: ObjectStore, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault(reset=True, after_forwarding=True))
    shaky.put_bytes(ADDRESS, DATA)
    assert store.get_bytes(ADDRESS) == DATA


def test_upload_that_the_store_changed_is_noticed(shaky: ObjectStore, proxy: FaultyProxy, store: ObjectStore) -> None:
    def overwrite(method: str, path: str) -> bool:
        if method == "HEAD":
            store.put_bytes(ADDRESS, b"?" * len(DATA))
        return False

    proxy.only = overwrite
    # The last of many tries may have had no time left for an answer, on a busy machine.
    with pytest.raises(StoreUnreachableError, match=r"differs from what was sent|no answer in time"):
        shaky.put_bytes(ADDRESS, DATA)


def test_trickle_is_a_stall(store: ObjectStore, impatient: ObjectStore, proxy: FaultyProxy) -> None:
    store.put_bytes(ADDRESS, b"x" * 5000)
    proxy.always = Fault(trickle=0.02)
    with pytest.raises(StoreUnreachableError, match="bytes came in"):
        impatient.get_bytes(ADDRESS)


REFUSALS: dict[str, tuple[Fault, type[TrainerError], str]] = {
    "denied": (DENIED, StoreAccessDeniedError, "do not allow this"),
    "expired": (Fault(status=400, code="ExpiredToken"), StoreAccessDeniedError, "token has expired"),
    "clock": (Fault(status=403, code="RequestTimeTooSkewed"), StoreAccessDeniedError, "clock"),
    "region": (Fault(status=400, code="AuthorizationHeaderMalformed"), StoreAccessDeniedError, "AWS_REGION"),
    "console": (Fault(status=404, content_type="text/html", body=b"<html/>"), InvalidConfigError, "not an S3 endpoint"),
    "full": (Fault(status=507, code="XMinioStorageFull", message="disk full"), OutOfSpaceError, "is full"),
    "rclone full": (
        Fault(status=500, code="InternalError", message="write /x: no space left on device"),
        OutOfSpaceError,
        "is full",
    ),
}


@pytest.mark.parametrize(("fault", "kind", "says"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_are_told_at_once(
    shaky: ObjectStore, proxy: FaultyProxy, fault: Fault, kind: type[TrainerError], says: str
) -> None:
    proxy.always = fault
    with pytest.raises(kind, match=says) as caught:
        shaky.put_bytes(ADDRESS, b"data")
    assert "\n" not in caught.value.message
    assert len(proxy.requests) == 1


def test_head_without_a_body_can_still_be_refused(shaky: ObjectStore, proxy: FaultyProxy) -> None:
    proxy.always = Fault(status=403, body=b"")
    with pytest.raises(StoreAccessDeniedError):
        shaky.stat(ADDRESS)


def test_full_local_disk(store: ObjectStore) -> None:
    store.put_bytes(ADDRESS, DATA)
    full = Path("/dev/full")
    if not full.exists():
        pytest.fail("this test needs Linux's /dev/full")

    from mnist_trainer.store import objectstore

    with full.open("wb", buffering=0) as file, pytest.raises(OutOfSpaceError, match="no space left"):
        objectstore._Digesting(file, Path("x")).write(b"data")
