"""`mnistctl local up`, `status`, `down`: a stack that outlives the command that started it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.support.processes import assert_none_left, kill_all, processes_of
from tests.support.wait import wait_for


def local(*arguments: str, cwd: Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mnist_cli", "local", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=cwd,
    )


def pid_of_api_server(folder: Path) -> int:
    """0 while there is none."""
    return next((pid for pid, command in processes_of(folder).items() if "mnist_local.apiserver" in command), 0)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "stack"
    yield folder
    kill_all(processes_of(folder))


def test_up_status_restarts_down(root: Path, tmp_path: Path) -> None:
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
    for part in ("API server", "object store", "KubeRay", "operator", "portal"):
        assert f"  {part:<13} running" in shown.stdout

    (address,) = re.findall(
        r"^# in the browser, once: (http://127\.0\.0\.1:\d+/enter\?token=\S+)$", up.stdout, re.MULTILINE
    )
    assert f"{address}  # opens the portal once" in shown.stdout.splitlines()
    assert "No training yet" in requests.get(address, timeout=30).text
    assert address not in local("status", *where, cwd=tmp_path).stdout
    assert all(address not in command for command in processes_of(root).values())

    second = local("up", *where, cwd=tmp_path)
    assert second.returncode == 2
    assert "already running" in second.stderr
    assert second.stderr.count("\n") == 1

    an_api_server_that_is_killed_comes_back_with_what_it_knew(root)
    shown = local("status", *where, cwd=tmp_path)
    assert shown.returncode == 0, "one restart after which it runs is no trouble"
    assert "1 restart(s)" in shown.stdout

    kill_api_server(root)
    wait_for(lambda: pid_of_api_server(root) != 0, "the API server to run again", seconds=40)
    shown = local("status", *where, cwd=tmp_path)
    first, *parts = shown.stdout.splitlines()
    assert shown.returncode == 1
    assert first.endswith("but this ends again and again: API server")
    assert "  API server    restarting" in parts[0]
    assert "2 restart(s), the last " in parts[0]
    assert "API server ended by itself (killed by SIGKILL)" in parts[1]
    assert "  object store  running" in parts[2]

    down = local("down", *where, cwd=tmp_path)
    assert (down.returncode, down.stdout) == (0, "the local stack is down\n")
    assert_none_left(root)
    assert "no local stack is running" in local("down", *where, cwd=tmp_path).stdout


def kill_api_server(root: Path) -> None:
    os.kill(pid_of_api_server(root), signal.SIGKILL)
    wait_for(lambda: pid_of_api_server(root) == 0, "the API server to end", seconds=40)


def an_api_server_that_is_killed_comes_back_with_what_it_knew(root: Path) -> None:
    kubectl = ["kubectl", f"--kubeconfig={root}/kubeconfig"]
    subprocess.run([*kubectl, "create", "configmap", "kept", "--from-literal=a=b"], check=True, timeout=30)
    kill_api_server(root)
    kept = [*kubectl, "get", "configmap", "kept", "--output=jsonpath={.data.a}"]
    wait_for(
        lambda: subprocess.run(kept, capture_output=True, text=True, timeout=30).stdout == "b",
        "what was there before",
        seconds=60,
    )


def test_status_tells_what_ended_the_last_one(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnist_cli", "local", "up", "--dir", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: pid_of_api_server(root) != 0, "the API server to be started", seconds=60, every=0.02)
    os.kill(pid_of_api_server(root), signal.SIGKILL)  # what dies while it starts is not started again
    said, _ = process.communicate(timeout=60)
    ended = "API server ended by itself (killed by SIGKILL)"
    assert (process.returncode, ended in said) == (1, True), said
    assert_none_left(root, 40)
    shown = local("status", "--dir", str(root), cwd=tmp_path)
    assert shown.returncode == 1
    assert f"the last one ended: {ended}" in shown.stdout


def test_up_that_is_interrupted_leaves_nothing(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnist_cli", "local", "up", "--dir", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for((root / "stack.json").exists, "the stack to start", seconds=60, every=0.02)
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
