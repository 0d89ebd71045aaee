"""`mnistctl watch` without a terminal and on one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import pytest
from tests.support.scene import Scene
from tests.support.wait import wait_for


def test_lines_without_a_terminal(scene: Scene) -> None:
    scene.create("one")
    ran = scene.start("watch")
    ran.until("one: Pending")
    scene.create("two")
    ran.until("two: Pending")
    scene.status("one", phase="Running", attempt=1)
    scene.kuberay.report("one", state="Training", epoch=1, epochs=5, loss=0.5)
    ran.until("one: training, epoch 1/5: loss 0.500")
    scene.kube.delete(f"{scene.trainings}/two")
    ran.until("two: deleted")
    ran.process.send_signal(signal.SIGINT)
    assert ran.wait() == 130
    assert ran.err == ""


def test_one_training_until_its_end(scene: Scene) -> None:
    scene.create()
    ran = scene.start("watch", "mnist")
    ran.until("mnist: Pending")
    scene.status(phase="Failed")
    assert ran.wait() == 1


class OnTerminal:
    """`mnistctl` on a terminal; `env` changes its environment."""

    def __init__(self, arguments: list[str], columns: int, **env: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "LC_ALL")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mnist_cli", *arguments],
            env={**kept, "TERM": "xterm", **env},
            stdout=theirs,
            stderr=theirs,
            stdin=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        self._ours = ours
        self._raw = b""

    @property
    def seen(self) -> str:
        return self._raw.decode(errors="replace")

    def shows(self, text: str) -> bool:
        with contextlib.suppress(BlockingIOError):
            try:
                self._raw += os.read(self._ours, 1 << 16)
            except OSError as error:  # the other end is closed
                if isinstance(error, BlockingIOError):
                    raise
                assert text in self.seen, self.seen
        return text in self.seen

    def until(self, text: str) -> None:
        wait_for(lambda: self.shows(text), lambda: f"{text!r} in {self.seen!r}")

    def wait(self) -> int:
        code = self.process.wait(20)
        with contextlib.suppress(OSError):
            self._raw += os.read(self._ours, 1 << 16)
        os.close(self._ours)
        return code


def test_a_table_with_the_curve_on_a_terminal(scene: Scene) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1, rayCluster={"workers": "2/2"})
    terminal = OnTerminal(["watch", "mnist"], 140)
    terminal.until("Running")
    for epoch, loss in enumerate((0.9, 0.5, 0.1), 1):
        updated = f"2026-01-01T00:00:0{epoch}Z"
        scene.kuberay.report(
            "mnist", state="Training", epoch=epoch, epochs=3, loss=loss, progressPercent=33 * epoch, updatedAt=updated
        )
        terminal.until(f"{loss:.3f}")
    terminal.until("█▅▁")
    scene.status(phase="Succeeded")
    terminal.until("Succeeded")
    assert terminal.wait() == 0
    assert "99%" in terminal.seen
    assert "2/2" in terminal.seen


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}], ids=str)
def test_eighty_columns_without_utf_8_show_names_and_phases_whole_in_ascii(scene: Scene, env: dict[str, str]) -> None:
    scene.create("compare-learning-rates")
    scene.status("compare-learning-rates", phase="Running", attempt=1, rayCluster={"workers": "2/2"})
    scene.kuberay.report(
        "compare-learning-rates", state="Training", epoch=1, epochs=3, loss=0.5, accuracy=0.97, progressPercent=33
    )
    terminal = OnTerminal(["watch", "compare-learning-rates"], 80, **env)
    terminal.until("97.00%")
    scene.status("compare-learning-rates", phase="Succeeded", message="Wärme")
    terminal.until("Succeeded")
    assert terminal.wait() == 0, terminal.seen
    assert "Traceback" not in terminal.seen
    assert "compare-learning-rates" in terminal.seen
    assert terminal.seen.isascii()


def test_following_on_a_terminal_without_utf_8_ends_without_a_traceback(scene: Scene) -> None:
    manifest = str(scene.manifest(training={"epochs": 5}))
    terminal = OnTerminal(["submit", manifest, "--follow"], 80, PYTHONIOENCODING="ascii")
    terminal.until("mnist created")
    scene.status(phase="Provisioning", attempt=1, rayCluster={"name": "c", "workers": "1/2"}, message="Größe")
    terminal.until("1/2 workers")
    scene.status(phase="Failed", reason="X", message="zu groß")
    terminal.until("failed: X: zu gro?")
    assert terminal.wait() == 1, terminal.seen
    assert "Traceback" not in terminal.seen
