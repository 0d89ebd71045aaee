"""The local KubeRay as a process of its own, and a small client, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_kube import kubeconfig
from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import CRDS, resource_of
from mnist_local.kuberay.crds import documents
from mnist_local.kuberay.kubelet.launch import WORK_DIR_VARIABLE


@dataclass(slots=True)
class LocalKubeRay:
    """A running local KubeRay."""

    process: subprocess.Popen[bytes]
    work_dir: Path
    log: Path

    def stop(self) -> int:
        """End it and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def descendants(self) -> list[str]:
        """Command lines of all processes of its pods that are alive."""
        return processes_of(self.work_dir)


def processes_of(work_dir: Path) -> list[str]:
    """Command lines of all living processes that bear the mark of a local KubeRay in this working folder."""
    mark = f"{WORK_DIR_VARIABLE}={work_dir.resolve()}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
    return found


def start_kuberay(kubeconfig_path: Path, directory: Path, pod_log_dir: Path, *arguments: str) -> LocalKubeRay:
    """Start it with its files under `directory`. A stand-in for Ray waits for no other stack's turns to start."""
    work_dir, log = directory / "kuberay", directory / "kuberay.log"
    command = [sys.executable, "-m", "mnist_local.kuberay", "--kubeconfig", str(kubeconfig_path)]
    command += ["--work-dir", str(work_dir), "--pod-log-dir", str(pod_log_dir), *arguments]
    env = {**os.environ, **({"TMPDIR": str(directory)} if "--ray" in arguments else {})}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=env)
    return LocalKubeRay(process, work_dir, log)


def fake_ray(directory: Path, programs: Path | None = None) -> list[str]:
    """Arguments that make a local KubeRay use the stand-in for Ray, which starts at once.

    Jobs find what is in the folder `programs` before what is installed.
    """
    script = directory / "fake-ray"
    path = "" if programs is None else f'PATH="{programs}:$PATH"\nexport PATH\n'
    stand_in = Path(__file__).with_name("fake_ray.py")
    script.write_text(f'#!/bin/sh\n{path}exec "{sys.executable}" -P -S "{stand_in}" "$@"\n')
    script.chmod(0o700)
    return ["--ray", str(script)]


@contextlib.asynccontextmanager
async def client(kubeconfig_path: Path) -> AsyncIterator[KubeApi]:
    """A client with the identity of the kubeconfig."""
    async with KubeApi(kubeconfig.load(kubeconfig_path)) as api:
        yield api


async def install_crds(api: KubeApi) -> None:
    """Create the CRDs of ray.io and wait until they are served."""
    for document in documents():
        with contextlib.suppress(ApiError):
            await api.create(CRDS.path(), document)
    for document in documents():
        path = resource_of("ray.io/v1", document["spec"]["names"]["kind"]).path()
        await eventually(lambda path=path: _served(api, path), 10)


async def _served(api: KubeApi, path: str) -> bool:
    try:
        await api.list(path)
    except ApiError:
        return False
    return True


async def eventually(condition: Callable[[], Any], timeout_s: float, poll_s: float = 0.05) -> Any:
    """The condition's first true value; a coroutine function or a plain one. AssertionError after the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {condition}")
        await asyncio.sleep(poll_s)
