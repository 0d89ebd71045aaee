"""A running `mnist-trainer train` as a process, for tests."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.s3 import S3Handle


@dataclass
class Training:
    """A running training; `log` is what it has printed, `output` where its results go."""

    process: subprocess.Popen[bytes]
    output: Path
    log_file: Path

    @classmethod
    def start(cls, directory: Path, s3: S3Handle, env: dict[str, str], name: str, *arguments: str) -> Training:
        """Train on s3://datasets/digits into s3://models/NAME, in a process group of its own."""
        log = directory / f"{name}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "mnist_trainer", "train", *arguments]
        command += ["--dataset", "s3://datasets/digits", "--output", f"s3://models/{name}"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env={**env, **s3.env}, stdout=out, stderr=out, cwd=directory, start_new_session=True
            )
        return cls(process, s3.root / "models" / name, log)

    @property
    def log(self) -> str:
        """Everything it has printed so far."""
        return self.log_file.read_text(errors="replace")

    def wait_for(self, condition: Callable[[], object], seconds: float = 180) -> None:
        """Wait for a condition while it runs; fails with its log."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def finish(self, status: int = 0, seconds: float = 240) -> None:
        """Wait for its end with an exit status."""
        code = self.process.wait(seconds)
        assert code == status, f"it ended with {code}:\n{self.log}"

    def json(self, name: str) -> Any:
        """One of its results."""
        return json.loads((self.output / name).read_text())

    def stop(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
