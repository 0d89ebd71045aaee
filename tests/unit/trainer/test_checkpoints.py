"""A checkpoint is its manifest: anything else is passed over; the newest of any process is found."""

from __future__ import annotations

import json
import threading

import pytest
import torch
from tests.unit.trainer.memory_store import MemoryStore

from mnist_trainer.checkpoints import CheckpointRepository, CheckpointUploader, Snapshot
from mnist_trainer.errors import OutOfSpaceError, StoreUnreachableError
from mnist_trainer.events import EpochRecord
from mnist_trainer.naming import RunPlace
from mnist_trainer.state import LoopState, decode_state, encode_state
from mnist_trainer.store import S3Address

OUTPUT = S3Address.parse("s3://models/run")


def repository(store: MemoryStore, run_id: str = "r1", attempt: int = 1, lineage: str = "L") -> CheckpointRepository:
    return CheckpointRepository(store, RunPlace(OUTPUT, attempt, run_id), lineage)  # type: ignore[arg-type]


def test_keeps_the_latest_and_the_best():
    store = MemoryStore()
    mine = repository(store)
    for epoch, accuracy in ((1, 0.5), (2, 0.9), (3, 0.7), (4, 0.8)):
        mine.save(epoch, accuracy, b"state %d" % epoch)
    kept = sorted(key.rpartition("/")[2] for key in store.objects)
    assert kept == ["epoch-00002.json", "epoch-00002.safetensors", "epoch-00004.json", "epoch-00004.safetensors"]


def names(store: MemoryStore) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in store.objects)


def test_a_failed_upload_leaves_the_others_and_is_cleared_away_later():
    store = MemoryStore()
    mine = repository(store)
    mine.save(1, 0.5, b"one")
    store.fail_writes = lambda key: OutOfSpaceError("full") if key.endswith(".json") else None
    with pytest.raises(OutOfSpaceError):
        mine.save(2, 0.6, b"two")
    found = repository(store, "r2").newest()
    assert found is not None
    assert found[1] == b"one"
    store.fail_writes = None
    mine.save(3, 0.7, b"three")
    assert names(store) == ["epoch-00003.json", "epoch-00003.safetensors"]


def test_old_ones_that_cannot_be_removed_do_not_spoil_a_new_one():
    store = MemoryStore()
    mine = repository(store)
    mine.save(1, 0.5, b"one")
    store.fail_deletes = StoreUnreachableError("no answer")
    mine.save(2, 0.6, b"two")
    assert len(names(store)) == 4
    store.fail_deletes = None
    mine.save(3, 0.7, b"three")
    assert names(store) == ["epoch-00003.json", "epoch-00003.safetensors"]


def test_an_epoch_that_is_trained_again_is_never_half_of_each():
    store = MemoryStore()
    mine = repository(store)
    mine.save(1, 0.5, b"one")
    store.fail_writes = lambda key: StoreUnreachableError("gone") if key.endswith(".json") else None
    with pytest.raises(StoreUnreachableError):
        mine.save(1, 0.5, b"one, again")
    assert names(store) == ["epoch-00001.safetensors"]
    assert repository(store, "r2").newest() is None


def test_finds_the_newest_of_any_attempt_and_process():
    store = MemoryStore()
    assert repository(store).newest() is None
    repository(store, "r1", 1).save(3, 0.5, b"three")
    repository(store, "r2", 2).save(2, 0.5, b"two")
    found = repository(store, "r3", 3).newest()
    assert found is not None
    assert (found[0].epoch, found[0].run_id, found[1]) == (3, "r1", b"three")


def test_manifest_is_written_after_the_state():
    store = MemoryStore()
    repository(store).save(1, 0.5, b"x")
    assert [key.rpartition(".")[2] for key in store.writes] == ["safetensors", "json"]


@pytest.mark.parametrize("damage", ["truncated", "changed", "gone", "manifest", "unfinished", "foreign"])
def test_damaged_ones_are_passed_over(damage):
    store = MemoryStore()
    repository(store).save(1, 0.5, b"good")
    repository(store, "r2", lineage="other" if damage == "foreign" else "L").save(2, 0.6, b"newer")
    state, manifest = (str(address) for address in RunPlace(OUTPUT, 1, "r2").checkpoint(2))
    if damage == "truncated":
        store.objects[state] = b"new"
    elif damage == "changed":
        store.objects[state] = b"never"
    elif damage == "gone":
        del store.objects[state]
    elif damage == "manifest":
        store.objects[manifest] = json.dumps({"epoch": 9}).encode()
    elif damage == "unfinished":
        del store.objects[manifest]
    found = repository(store, "r3").newest()
    assert found is not None
    assert found[1] == b"good"


def test_unreachable_store_is_an_error_not_a_fresh_start():
    store = MemoryStore()
    repository(store).save(1, 0.5, b"good")
    store.fail_reads = StoreUnreachableError("no answer")
    with pytest.raises(StoreUnreachableError):
        repository(store, "r2").newest()


def test_uploader_skips_to_the_latest_and_survives_failures():
    saved, begun, go = [], threading.Event(), threading.Event()

    def save(epoch: int, accuracy: float, state: bytes) -> None:
        begun.set()
        go.wait(10)
        if epoch == 1:
            raise StoreUnreachableError("no answer")
        saved.append(epoch)

    uploader = CheckpointUploader(save)
    uploader.submit(Snapshot(1, 0.1, b""))
    assert begun.wait(10)
    for epoch in (2, 3):
        uploader.submit(Snapshot(epoch, 0.1, b""))
    assert not uploader.close(0.01)
    go.set()
    assert uploader.close(10)
    assert saved == [3]


def test_state_survives_encoding():
    record = EpochRecord(1, 10, 0.5, 0.4, 0.9, 0.01, 1.5, 0.1, 1000.0, 2, 1.7e9)
    state = LoopState(1, 10, {"values": torch.randn(7), "statistics": torch.zeros(0)}, [record])
    again = decode_state(encode_state(state))
    assert (again.epoch, again.updates, again.history) == (1, 10, [record])
    assert torch.equal(again.tensors["values"], state.tensors["values"])
    assert again.tensors["statistics"].shape == (0,)


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"\xff" * 20, encode_state(LoopState(0, 0, {}, []))[:-3]])
def test_other_bytes_are_no_state(data):
    with pytest.raises(ValueError, match="not a saved training state"):
        decode_state(data)
