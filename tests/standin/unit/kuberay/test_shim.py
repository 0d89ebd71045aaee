"""The pod shim, as a real process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descendants are followed on Linux only")


class Supervised:
    """A running shim and its two pipes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mnist_local.pod.shim", "ns/pod"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write((json.dumps(command) + "\n").encode())
        self.process.stdin.flush()

    def run(self, script: str, container: str = "main", **env: str) -> dict[str, Any]:
        self.send(
            op="run",
            container=container,
            argv=["/bin/bash", "-c", script],
            env={"PATH": os.environ["PATH"], "FOLDER": str(self.folder), **env},
            cwd=str(self.folder),
            log=str(self.log(container)),
        )
        return self.event()

    def event(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the shim ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def log(self, container: str = "main") -> Path:
        return self.folder / container / "0.log"

    def close(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    shim = Supervised(tmp_path)
    try:
        yield shim
    finally:
        shim.process.kill()
        shim.process.wait()


def until(condition: Any, timeout_s: float = 10) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.01)
    return value


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


def pids_in(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def test_exit_code_and_log(supervised: Supervised) -> None:
    assert supervised.run("echo out; echo err >&2; exit 3")["event"] == "started"
    event = supervised.event()
    assert (event["event"], event["exitCode"], event["signal"]) == ("exited", 3, None)
    assert sorted(supervised.log().read_text().split()) == ["err", "out"]


def test_unstartable_program(supervised: Supervised) -> None:
    supervised.send(op="run", container="c", argv=["/no/such"], env={}, cwd="/", log=str(supervised.folder / "l"))
    event = supervised.event()
    assert event["event"] == "unstartable"
    assert "/no/such" in event["message"]


def test_stop_is_sigterm_and_later_sigkill(supervised: Supervised) -> None:
    supervised.run("trap 'echo asked; exit 7' TERM; touch $FOLDER/up; while true; do sleep 0.05; done")
    until((supervised.folder / "up").exists)
    supervised.send(op="stop", graceSeconds=30)
    assert supervised.event()["exitCode"] == 7
    assert "asked" in supervised.log().read_text()

    supervised.run("trap '' TERM; touch $FOLDER/deaf; while true; do sleep 0.05; done")
    until((supervised.folder / "deaf").exists)
    supervised.send(op="stop", graceSeconds=0.3)
    event = supervised.event()
    assert (event["exitCode"], event["signal"]) == (137, signal.SIGKILL)


def test_a_shorter_grace_overrides_a_longer_one(supervised: Supervised) -> None:
    supervised.run("trap '' TERM; touch $FOLDER/up; while true; do sleep 0.05; done")
    until((supervised.folder / "up").exists)
    supervised.send(op="stop", graceSeconds=300)
    supervised.send(op="stop", graceSeconds=0)
    assert supervised.event()["signal"] == signal.SIGKILL


FAMILY = (
    "for i in 1 2 3; do (setsid sh -c 'echo $$ >> $FOLDER/pids; sleep 1000' &) ; done; "
    "sleep 1000 & echo $! >> $FOLDER/pids; "
)


def test_end_of_the_first_process_is_the_end_of_all_of_its_container(supervised: Supervised) -> None:
    supervised.run("sleep 1000 & echo $! > $FOLDER/other-pids; wait", container="other")
    (other,) = until(lambda: pids_in(supervised.folder / "other-pids"))
    supervised.run(FAMILY + "while [ $(wc -l < $FOLDER/pids) -lt 4 ]; do sleep 0.02; done")
    assert supervised.event()["container"] == "main"
    pids = pids_in(supervised.folder / "pids")
    assert len(pids) == 4
    assert not any(alive(pid) for pid in pids)
    assert alive(other)


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_nothing_is_left_when_the_shim_ends(supervised: Supervised, how: str) -> None:
    supervised.run("trap '' TERM; " + FAMILY + "wait")
    pids = until(lambda: found if len(found := pids_in(supervised.folder / "pids")) == 4 else None)
    if how == "SIGTERM":
        supervised.process.terminate()
    else:
        assert supervised.process.stdin is not None
        supervised.process.stdin.close()
    assert supervised.process.wait(10) == 0
    assert not any(alive(pid) for pid in pids)


def test_a_container_can_run_again(supervised: Supervised) -> None:
    for code in (1, 2):
        supervised.run(f"echo run {code}; exit {code}")
        assert supervised.event()["exitCode"] == code
    assert supervised.log().read_text() == "run 1\nrun 2\n"
