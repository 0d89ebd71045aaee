"""`mnistctl watch` without a terminal and on one."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

from tests.integration.workstation.conftest import Scene
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


def test_a_table_with_the_curve_on_a_terminal(scene: Scene) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1, rayCluster={"workers": "2/2"})
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"}
    command = [sys.executable, "-m", "mnist_cli", "watch", "mnist"]
    process = subprocess.Popen(command, env=env, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = ""

    def shows(text: str) -> bool:
        nonlocal seen
        try:
            seen += os.read(ours, 1 << 16).decode(errors="replace")
        except BlockingIOError:
            pass
        except OSError:  # the other end is closed
            assert text in seen, seen
        return text in seen

    wait_for(lambda: shows("Running"), "the table")
    for epoch, loss in enumerate((0.9, 0.5, 0.1), 1):
        updated = f"2026-01-01T00:00:0{epoch}Z"
        scene.kuberay.report(
            "mnist", state="Training", epoch=epoch, epochs=3, loss=loss, progressPercent=33 * epoch, updatedAt=updated
        )
        wait_for(lambda loss=loss: shows(f"{loss:.3f}"), f"the loss {loss}")
    wait_for(lambda: shows("█▅▁"), "the curve")
    scene.status(phase="Succeeded")
    wait_for(lambda: shows("Succeeded"), "the end")
    assert process.wait(10) == 0
    os.close(ours)
    assert "99%" in seen
    assert "2/2" in seen
