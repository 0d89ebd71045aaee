"""`progress()`: what happens, shown until the training has ended."""

from __future__ import annotations

import threading

import pytest
from tests.support.scene import Scene

from mnist_client import AsyncClient, Client, TrainingFailed, WaitTimeout


def report(epoch: int) -> dict[str, object]:
    figures = {"attempt": 1, "runId": "r", "state": "Training", "epoch": epoch, "epochs": 2, "accuracy": 0.97}
    return {**figures, "progressPercent": 50, "updatedAt": f"2026-01-01T00:00:0{epoch}Z"}


def test_lines_where_there_is_no_terminal(scene: Scene, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1, training=report(1))
    scene.event("mnist-1-abcde", "FailedScheduling", "no node fits")
    threading.Timer(1.5, scene.status, kwargs={"phase": "Succeeded"}).start()
    assert client.progress("mnist", timeout=60).succeeded
    told = capsys.readouterr().out
    assert "mnist: training, epoch 1/2: accuracy 97.00%\n" in told
    assert "warning: mnist-1-abcde: FailedScheduling: no node fits\n" in told
    assert told.splitlines()[-1].endswith("mnist: Succeeded")


async def test_as_a_coroutine_and_how_it_ends(
    scene: Scene, aclient: AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.create()
    with pytest.raises(WaitTimeout, match=r"mnist is not Succeeded after 0\.2 s"):
        await aclient.progress("mnist", timeout=0.2)
    scene.status(phase="Failed", reason="X", message="it broke")
    with pytest.raises(TrainingFailed, match="mnist failed: X: it broke"):
        await aclient.progress("mnist")
    assert "mnist: Failed\n" in capsys.readouterr().out


def test_without_the_right_to_see_events_the_rest_is_shown(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.create()
    scene.status(phase="Succeeded")
    with scene.as_viewer_of("mnisttrainings") as client:
        assert client.progress("mnist", timeout=60).succeeded
    assert "mnist: Succeeded\n" in capsys.readouterr().out
