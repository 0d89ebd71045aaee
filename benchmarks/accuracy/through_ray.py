"""Runs our recipe as a user without Kubernetes does: `mnist-trainer train`, its own Ray, data and results in S3."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.s3 import S3Handle, start_s3

from benchmarks.accuracy.results import Case, Epoch
from mnist_trainer.data.sources import copy_folder

_PREFIX = "ray-"
_EPOCH_LINE = re.compile(r"\bepoch (\d+)/\d+ ")
_STOP_SECONDS = 30.0


def ray_recipe(workers: int) -> str:
    """The name of the recipe with so many workers."""
    return f"{_PREFIX}{workers}"


def ray_workers(recipe: str) -> int | None:
    """How many workers a recipe of that name has; None if it is not one of these."""
    return int(recipe.removeprefix(_PREFIX)) if recipe.startswith(_PREFIX) else None


def epochs_of_metrics(metrics: dict[str, Any]) -> list[Epoch]:
    """The epochs in a ``metrics.json``."""
    return [
        Epoch(record["epoch"], record["accuracy"], record["train_seconds"], record["evaluation_seconds"])
        for record in metrics["epochs"]
    ]


@dataclass(frozen=True)
class Store:
    """A running S3 server that holds the dataset."""

    server: S3Handle
    scratch: Path

    def train(self, case: Case, progressed: Callable[[int], None]) -> tuple[list[Epoch], float]:
        """Run the case; returns its epochs and the seconds of the whole command. `progressed` is told the epoch."""
        workers = ray_workers(case.recipe)
        name = f"{case.recipe}-{case.seed}-{time.monotonic_ns()}"
        command = [sys.executable, "-m", "mnist_trainer", "train", "--workers", str(workers), "--seed", str(case.seed)]
        command += ["--epochs", str(case.epochs), "--dataset", "s3://datasets/mnist", "--output", f"s3://models/{name}"]
        foreign = ("AWS_", "RAY_", "KUBERNETES_", "OMP_")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        log = self.scratch / f"{name}.log"
        began = time.perf_counter()
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env={**clean, **self.server.env}, stdout=out, stderr=out, start_new_session=True
            )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                progressed(_last_epoch(log))
        finally:
            _stop(process)
        seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}:\n{log.read_text()[-2000:]}")
        metrics = json.loads((self.server.root / "models" / name / "metrics.json").read_text())
        return epochs_of_metrics(metrics), seconds


@contextmanager
def store(data: Path, scratch: Path) -> Iterator[Store]:
    """An S3 server on loopback with the dataset of folder `data`; ends with the block."""
    with start_s3(scratch, "datasets", "models") as server:
        copy_folder(data, server.root / "datasets" / "mnist")
        yield Store(server, scratch)


def _last_epoch(log: Path) -> int:
    return max((int(number) for number in _EPOCH_LINE.findall(log.read_text(errors="replace"))), default=0)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the trainer as a user does, so that it takes its Ray with it."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
