"""The embedded API server as a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

START_SECONDS = 60.0
END_SECONDS = 60.0


@dataclass(slots=True)
class ApiServer:
    """A running server; `kubeconfig` is an administrator's."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    kubeconfig: Path
    url: str
    token: str
    ca_file: Path
    pod_log_dir: Path

    def stop(self) -> int:
        """End the server and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def env(self) -> dict[str, str]:
        """Return this process's environment with KUBECONFIG set to the server's."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}


def start_apiserver(directory: Path, *arguments: str) -> ApiServer:
    """Start a server on a free loopback port with its files under `directory`; returns when it serves.

    Raises:
        RuntimeError: it ended, or did not serve in time; the message has its output.
    """
    data_dir, pod_log_dir = directory / "apiserver", directory / "pod-logs"
    log = directory / "apiserver.log"
    kubeconfig = data_dir / "kubeconfig"
    command = [sys.executable, "-m", "mnist_local.apiserver", "--data-dir", str(data_dir)]
    command += ["--pod-log-dir", str(pod_log_dir), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS
    while not kubeconfig.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise RuntimeError(f"the API server did not start: {log.read_text()}")
        time.sleep(0.01)
    config = yaml.safe_load(kubeconfig.read_text())
    return ApiServer(
        process=process,
        data_dir=data_dir,
        kubeconfig=kubeconfig,
        url=config["clusters"][0]["cluster"]["server"],
        token=config["users"][0]["user"]["token"],
        ca_file=data_dir / "pki" / "ca.crt",
        pod_log_dir=pod_log_dir,
    )
