"""`mnist-trainer run` as the job's entrypoint starts it: a process, a real store, a training at a real API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.kube import Kube
from tests.support.s3 import S3Handle
from tests.support.training_object import create, reported

SECRET = "canary-secret-of-nobody"


@dataclass
class Script:
    """A running script. `name` is that of the training, and of the output's folder."""

    name: str
    process: subprocess.Popen[str]
    s3: S3Handle
    kube: Kube
    printed: str = ""

    @property
    def output(self) -> Path:
        return self.s3.root / "models" / self.name

    @property
    def status(self) -> dict[str, Any]:
        """What it has reported; empty before its first report."""
        try:
            return reported(self.kube, self.name)
        except KeyError:
            return {}

    @property
    def failure(self) -> dict[str, Any]:
        assert "failure" in self.status, (self.status, self.printed)
        return self.status["failure"]

    def wait(self, seconds: float = 90) -> int:
        self.printed, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.output / name).read_text())

    def log(self, attempt: int = 1, name: str = "driver.log") -> str:
        return (self.output / "logs" / f"attempt-{attempt}" / name).read_text()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=20)


def start_script(
    folder: Path,
    s3: S3Handle,
    kube: Kube,
    pod_env: dict[str, str],
    name: str,
    code: str | None,
    *command: str,
    flags: tuple[str, ...] = (),
    **env: str,
) -> Script:
    """Start `command` (by default `python main.py`) with `code` as main.py of a mounted ConfigMap."""
    identity = create(kube, name)
    mounted = folder / f"code-{name}"
    if code is not None:
        mounted.mkdir()
        (mounted / "main.py").write_text(textwrap.dedent(code))
        env["MNIST_CODE_DIR"] = str(mounted)
    scratch = folder / f"scratch-{name}"
    scratch.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RAY_", "KUBERNETES_"))}
    words = [sys.executable, "-m", "mnist_trainer", "run", "--name", name, "--dataset", "s3://datasets/tiny"]
    words += ["--output", f"s3://models/{name}", "--training-namespace", "default", "--training-name", name]
    words += ["--training-uid", identity.uid, "--attempt", "1", *flags, "--", *(command or ("python", "main.py"))]
    path = f"{Path(sys.executable).parent}:{clean.get('PATH', '')}"
    process = subprocess.Popen(
        words,
        env={**clean, **s3.env, **pod_env, "PATH": path, "MNIST_SCRATCH_DIR": str(scratch), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Script(name, process, s3, kube)
