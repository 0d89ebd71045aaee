"""`mnistctl local up`, `status`, `down`: a stack that outlives the command that started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.processes import assert_none_left, processes_of


def local(*arguments: str, cwd: Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mnist_cli", "local", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=cwd,
    )


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "stack"
    yield folder
    for pid in processes_of(folder):
        os.kill(pid, signal.SIGKILL)


def test_up_status_down(root: Path, tmp_path: Path) -> None:
    where = ("--dir", str(root))
    assert local("status", *where, cwd=tmp_path).returncode == 1

    up = local("up", *where, cwd=tmp_path)
    assert up.returncode == 0, up.stderr
    assert f"export KUBECONFIG={root}/kubeconfig" in up.stdout.splitlines()
    env = {**os.environ, "KUBECONFIG": str(root / "kubeconfig")}
    listed = subprocess.run(
        ["kubectl", "get", "mnisttrainings,secrets", "-o", "name"], env=env, capture_output=True, text=True, timeout=30
    )
    assert listed.stdout.split() == ["secret/minio-credentials"]
    assert sorted(p.name for p in (root / "s3").iterdir()) == ["datasets", "models"]
    assert len(list((root / "s3" / "datasets" / "digits").iterdir())) == 4

    shown = local("status", *where, cwd=tmp_path)
    assert shown.returncode == 0
    for part in ("API server", "object store", "KubeRay", "operator"):
        assert f"  {part:<13} running" in shown.stdout

    second = local("up", *where, cwd=tmp_path)
    assert second.returncode == 2
    assert "already running" in second.stderr
    assert second.stderr.count("\n") == 1

    down = local("down", *where, cwd=tmp_path)
    assert (down.returncode, down.stdout) == (0, "the local stack is down\n")
    assert_none_left(root)
    assert "no local stack is running" in local("down", *where, cwd=tmp_path).stdout


def test_status_tells_what_ended_the_last_one(root: Path, tmp_path: Path) -> None:
    assert local("up", "--dir", str(root), cwd=tmp_path).returncode == 0
    api_server = next(pid for pid, command in processes_of(root).items() if "mnist_local.apiserver" in command)
    os.kill(api_server, signal.SIGKILL)
    assert_none_left(root, 40)
    shown = local("status", "--dir", str(root), cwd=tmp_path)
    assert shown.returncode == 1
    assert "the last one ended: API server ended by itself (killed by SIGKILL)" in shown.stdout


def test_up_that_is_interrupted_leaves_nothing(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnist_cli", "local", "up", "--dir", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not (root / "stack.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted by SIGINT" in said
    assert_none_left(root)


def test_data_that_is_not_there(root: Path, tmp_path: Path) -> None:
    ran = local("up", "--dir", str(root), "--data", "nowhere", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (2, "mnistctl: --data nowhere: there is no such folder\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = local("up", "--dir", str(root), "--data", str(empty), cwd=tmp_path)
    assert ran.returncode == 2
    assert f"mnistctl: {empty}: no dataset there" in ran.stderr
    assert_none_left(root)
