"""A Ray cluster of our own leaves nothing behind, whether it does not start or there is no time to end it well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import ray
from tests.support.wait import wait_for

from mnist_trainer.workers.cluster import RayCluster, open_cluster


def test_a_cluster_that_does_not_start_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "mt-1"

    def fail(**_: object) -> None:
        (scratch / "ray").mkdir()
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(PermissionError):
        open_cluster(scratch, None, 1, 0)
    assert not scratch.exists()


SLEEPER = "import sys, time; print('ready', flush=True); time.sleep(300)"
PARENT = f"""
import subprocess, sys, time
from pathlib import Path
from mnist_trainer.workers.cluster import RayCluster
child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], stdout=subprocess.PIPE)
child.stdout.readline()
RayCluster(own=sys.argv[2] == "own", scratch=Path(sys.argv[1])).abandon()
print(child.pid, flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize(("whose", "ends"), [("own", True), ("others", False)])
def test_workers_of_an_abandoned_cluster_end_at_once_if_it_is_our_own(tmp_path: Path, whose: str, ends: bool) -> None:
    scratch = tmp_path / "mt-1"
    scratch.mkdir()
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(scratch), whose], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        if ends:
            wait_for(lambda: child.status() == psutil.STATUS_ZOMBIE, "the end of the worker", 30)
        else:
            assert child.status() != psutil.STATUS_ZOMBIE
        assert scratch.exists() is not ends
    finally:
        for process in [*psutil.Process(parent.pid).children(recursive=True), psutil.Process(parent.pid)]:
            process.kill()
        parent.wait(10)


def test_servers_of_ray_are_left_to_the_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Were the raylet killed first, or did it see an agent end, Ray would end this process with a status of its own."""
    told: list[tuple[str, str]] = []

    class Process:
        def __init__(self, name: str = "") -> None:
            self._name = name

        def children(self, recursive: bool) -> list[Process]:
            return [Process(name) for name in ("gcs_server", "ray::DashboardAgent", "raylet", "python")]

        def name(self) -> str:
            return self._name

        def suspend(self) -> None:
            told.append(("stopped", self._name))

        def kill(self) -> None:
            told.append(("killed", self._name))

    monkeypatch.setattr(psutil, "Process", Process)
    RayCluster(own=True, scratch=tmp_path / "none").abandon()
    assert told == [("stopped", "raylet"), ("killed", "ray::DashboardAgent"), ("killed", "python")]
