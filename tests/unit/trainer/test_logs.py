"""Logs of an attempt are bounded, complete at their end, and go to the store without being asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.wait import wait_for
from tests.unit.trainer.memory_store import MemoryStore

from mnist_trainer.errors import StoreUnreachableError
from mnist_trainer.logs.attempt import AttemptLogs
from mnist_trainer.logs.files import LogHandler, RotatedLog
from mnist_trainer.store import ObjectStore, S3Address
from mnist_trainer.workers.lines import WorkerLines, listen

PLACE = S3Address.parse("s3://models/mnist/logs/attempt-1")


def parts(folder: Path) -> list[bytes]:
    """The files of the log `driver`, oldest first."""
    files = {int(path.name.split(".")[1]) if path.name.count(".") == 2 else 0: path for path in folder.glob("*.log")}
    return [files[number].read_bytes() for number in sorted(files, reverse=True)]


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r"), max_size=60), max_size=40))
def test_the_end_of_what_was_written_is_kept_within_bounds(tmp_path_factory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("logs")
    log = RotatedLog(folder, "driver", part_bytes=50, parts=3)
    for text in texts:
        log.write(text)
    kept = parts(folder)
    whole = "".join(texts).encode()
    assert whole.endswith(b"".join(kept))
    assert len(kept) <= 3
    assert all(len(part) <= 50 for part in kept)
    if whole:
        assert len(b"".join(kept)) >= min(len(whole), 50)


def test_a_log_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    RotatedLog(tmp_path / "absent", "driver").write("lost")


def user(store: MemoryStore) -> Callable[[Callable[[ObjectStore], None]], None]:
    def use(action: Callable[[ObjectStore], None]) -> None:
        action(store)  # type: ignore[arg-type]

    return use


def test_logs_are_uploaded_while_they_are_written_and_at_the_end(tmp_path: Path) -> None:
    store, logs = MemoryStore(), AttemptLogs(tmp_path)
    logs.log("driver").write("one\n")
    logs.collect = lambda: logs.log("worker-0").write("from afar\n")
    logs.start(user(store), PLACE)
    wait_for(lambda: f"{PLACE}/driver.log" in store.objects, "the first upload", 30)
    logs.log("driver").write("two\n")
    logs.close(20)
    assert store.objects[f"{PLACE}/driver.log"] == b"one\ntwo\n"
    assert store.objects[f"{PLACE}/worker-0.log"].startswith(b"from afar\n")
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_takes_the_attempt_over_goes_on_with_its_log(tmp_path: Path) -> None:
    store = MemoryStore()
    for said in ("first\n", "second\n"):
        logs = AttemptLogs(tmp_path)
        logs.log("driver").write(said)
        logs.start(user(store), PLACE)
        logs.close(20)
    assert store.objects[f"{PLACE}/driver.log"] == b"first\n--- started over ---\nsecond\n"


def test_a_store_that_does_not_answer_fails_nothing(tmp_path: Path) -> None:
    def use(_: Callable[[ObjectStore], None]) -> None:
        raise StoreUnreachableError("no answer")

    logs = AttemptLogs(tmp_path)
    logs.log("driver").write("one\n")
    logs.start(use, PLACE)
    logs.close(20)


def test_what_logging_says_is_taken_along() -> None:
    said: list[str] = []
    handler = LogHandler(said.append)
    logger = logging.getLogger("a.part")
    logger.addHandler(handler)
    logger.warning("slow: %d s", 3)
    logger.removeHandler(handler)
    assert said == ["WARNING a.part: slow: 3 s\n"]


def test_lines_of_workers_get_a_log_for_each_process_within_bounds() -> None:
    said: list[tuple[int, str]] = []
    lines = WorkerLines(lambda number, text: said.append((number, text)), most=2)
    lines.take({"ip": "10.0.0.1", "pid": "7", "lines": ["one", "two"]})
    lines.take({"ip": "10.0.0.2", "pid": "7", "lines": ["other"]})
    lines.take({"ip": "10.0.0.1", "pid": "7", "lines": ["three"]})
    lines.take({"ip": "10.0.0.3", "pid": "1", "lines": ["too many"]})
    lines.take({"ip": "10.0.0.3", "pid": "autoscaler", "lines": ["scaled"]})
    lines.take({"unknown": "shape"})
    assert said == [
        (0, "--- process 7 on 10.0.0.1 ---\n"),
        (0, "one\ntwo\n"),
        (1, "--- process 7 on 10.0.0.2 ---\n"),
        (1, "other\n"),
        (0, "three\n"),
    ]


def test_rays_dispatcher_of_lines_is_the_one_that_was_read(monkeypatch) -> None:
    from ray._private import ray_logging

    said: list[tuple[int, str]] = []
    dispatcher = ray_logging.WorkerStandardStreamDispatcher()
    monkeypatch.setattr(ray_logging, "global_worker_stdstream_dispatcher", dispatcher)
    dispatcher.add_handler("ray_print_logs", lambda _: said.append((-1, "printed")))
    listen(WorkerLines(lambda number, text: said.append((number, text)), most=2))
    dispatcher.emit({"ip": "10.0.0.1", "pid": "7", "job": "01000000", "is_err": False, "lines": ["one"]})
    assert said[1:] == [(0, "one\n")]
