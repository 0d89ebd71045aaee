"""Logs: waited for, followed into new attempts, through cuts, with a tail and a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.kube_proxy import KubeProxy
from tests.support.scene import Scene
from tests.support.wait import wait_for

from mnist_client import AsyncClient, Client, NoLogError, TrainingDeleted, WaitTimeout

NAME = "mnist-1-abcde"


class Reading:
    """A reader in a thread of its own."""

    def __init__(self, read: Callable[[], Iterator[str]]) -> None:
        self.lines: list[str] = []
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(read,), daemon=True)
        self._thread.start()

    def _run(self, read: Callable[[], Iterator[str]]) -> None:
        try:
            for line in read():
                self.lines.append(line)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def until(self, line: str) -> None:
        wait_for(lambda: self.lines[-1:] == [line] or self.error, lambda: f"{line!r} in {self.lines}")

    def end(self) -> list[str]:
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert self.error is None, self.error
        return self.lines


def append(file: Path, text: str) -> None:
    with file.open("a") as log:
        log.write(text)


@pytest.mark.parametrize("follow", [False, True], ids=["once", "follow"])
def test_a_log_that_is_not_there_yet_is_waited_for(scene: Scene, client: Client, follow: bool) -> None:
    """What people complain about elsewhere: `follow` that returns at once, since there is no pod yet."""
    scene.create()
    reading = Reading(lambda: client.logs("mnist", follow=follow))
    scene.status(phase="Provisioning", attempt=1)
    file = scene.submitter(1, "one\n", "Pending")
    scene.status(phase="Running")
    scene.pod_phase(NAME, "Running")
    reading.until("one")
    if follow:
        append(file, "two\n")
        reading.until("two")
        scene.pod_phase(NAME, "Succeeded")
        scene.status(phase="Succeeded")
    assert reading.end() == (["one", "two"] if follow else ["one"])


def test_following_goes_on_into_the_next_attempt(scene: Scene, client: Client) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1)
    scene.submitter(1, "one\n")
    reading = Reading(lambda: client.logs("mnist", follow=True, tail=1))
    reading.until("one")
    scene.pod_phase(NAME, "Failed")
    scene.submitter(2, "two\nthree", "Succeeded")
    scene.status(phase="Running", attempt=2)
    reading.until("two")
    scene.status(phase="Succeeded")
    assert reading.end() == ["one", "two", "three"]


def test_a_tail(scene: Scene, client: Client) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1)
    file = scene.submitter(1, "one\ntwo\nthree\n")
    assert list(client.logs("mnist", tail=2)) == ["two", "three"]
    assert list(client.logs("mnist", tail=0)) == []
    reading = Reading(lambda: client.logs("mnist", follow=True, tail=1))
    reading.until("three")
    append(file, "four\n")
    reading.until("four")
    scene.pod_phase(NAME, "Succeeded")
    scene.status(phase="Succeeded")
    assert reading.end() == ["three", "four"]


def test_a_cut_connection_leaves_nothing_out_and_tells_nothing_twice(scene: Scene, tmp_path: Path) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1)
    file = scene.submitter(1, "line 0\n")
    proxy = KubeProxy(scene.kubeconfig, tmp_path)
    try:
        with Client(scene.namespace, kubeconfig=proxy.kubeconfig) as client:
            reading = Reading(lambda: client.logs("mnist", follow=True))
            for number in range(1, 6):
                reading.until(f"line {number - 1}")
                proxy.cut_watches()
                append(file, f"line {number}\n")
            reading.until("line 5")
            scene.pod_phase(NAME, "Succeeded")
            scene.status(phase="Succeeded")
            assert reading.end() == [f"line {number}" for number in range(6)]
    finally:
        proxy.close()


def test_a_deadline(scene: Scene, client: Client) -> None:
    scene.create()
    with pytest.raises(WaitTimeout, match=r"the log was not at its end after 0\.3 s"):
        list(client.logs("mnist", follow=True, timeout=0.3))
    scene.status(phase="Running", attempt=1)
    scene.submitter(1, "one\n")
    reading = Reading(lambda: client.logs("mnist", follow=True, timeout=5))
    wait_for(lambda: reading.error, "the deadline")
    assert isinstance(reading.error, WaitTimeout)
    assert reading.lines == ["one"]


def test_no_log_and_no_patience(scene: Scene, client: Client) -> None:
    scene.create()
    scene.status(phase="Pending", message="Secret x does not exist")
    with pytest.raises(NoLogError, match=r"mnist has no log yet \(Pending: Secret x does not exist\)"):
        list(client.logs("mnist", wait=False))
    scene.status(phase="Failed", attempt=1)
    for follow in (False, True):
        with pytest.raises(NoLogError, match="the submitter's pod of attempt 1 of mnist is gone"):
            list(client.logs("mnist", follow=follow))
    failure = {"attempt": 1, "reason": "X", "time": "2026-01-01T00:00:00Z", "logTail": "the end\nof it"}
    scene.status(lastFailure=failure)
    assert list(client.logs("mnist", tail=1)) == ["of it"]


def test_a_training_that_is_deleted_meanwhile(scene: Scene, client: Client) -> None:
    scene.create()
    reading = Reading(lambda: client.logs("mnist", follow=True))
    threading.Timer(0.5, scene.kube.delete, (f"{scene.trainings}/mnist",)).start()
    wait_for(lambda: reading.error, "the end")
    assert isinstance(reading.error, TrainingDeleted)


async def test_bytes_that_are_no_text_and_lines_without_an_end(scene: Scene, aclient: AsyncClient) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1)
    file = scene.submitter(1, "")
    file.write_bytes("é\n".encode() + b"\xff\n\nlast")
    assert [line async for line in aclient.logs("mnist")] == ["é", "\ufffd", "", "last"]
