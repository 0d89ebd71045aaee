"""Seconds from a job's start to its first training step, stage by stage.

    python benchmarks/startup.py --runs 5 [--data DIR] [--without-ray-train]

The job is `mnist-trainer train` as a RayJob starts it: a process on the head of a running Ray cluster (one head, two
workers of one CPU). Each run has a Ray cluster of its own that nobody has used before.

cold       the workers' processes are started for the training
preloaded  they wait with everything imported, as in the pods that the operator makes

For comparison Ray Train v2 starts as many workers, without data or network, up to a first exchanged tensor.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for the tests' helpers, which start Ray nodes and an S3 server

from tests.support.ray_nodes import RayNodes  # noqa: E402
from tests.support.s3 import S3Handle, start_s3  # noqa: E402
from tests.support.wait import wait_for  # noqa: E402

from mnist_kube.times import parse  # noqa: E402
from mnist_operator.children.pods import WORKER_ENV  # noqa: E402
from mnist_trainer.data.sources import write_digits  # noqa: E402

WORKERS = 2
STAGES = (
    ("store checked", "storeChecked"),
    ("Ray imported", "rayImported"),
    ("Ray connected", "rayConnected"),
    ("workers asked for", "workersAsked"),
    ("data loaded", "dataLoaded"),
    ("data shared", "dataShared"),
    ("workers started", "workersStarted"),
    ("workers connected, job built", "workersReady"),
    ("**first step**", "firstStep"),
)
Marks = dict[str, float]


def train(cluster: RayNodes, s3: S3Handle, directory: Path, number: int) -> Marks:
    """One training of one epoch; its timeline."""
    output = f"s3://models/run{number}"
    command = [sys.executable, "-m", "mnist_trainer", "train", "--workers", str(WORKERS), "--epochs", "1"]
    command += ["--dataset", "s3://datasets/data", "--output", output]
    began = time.time()
    done = subprocess.run(
        command, env={**cluster.driver_env(), **s3.env}, cwd=directory, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"the training failed: {done.stdout}{done.stderr}")
    timeline = json.loads((s3.root / "models" / f"run{number}" / "metrics.json").read_text())["timeline"]
    return {"launched": began, **{stage: unix(mark) for stage, mark in timeline.items()}}


def ray_train(cluster: RayNodes, _: S3Handle, directory: Path, number: int) -> Marks:
    """One start of Ray Train."""
    script = Path(__file__).with_name("startup_parts") / "ray_train.py"
    command = [sys.executable, str(script), str(directory / f"ray-train-{number}"), str(WORKERS)]
    began = time.time()
    done = subprocess.run(command, env=cluster.driver_env(), cwd=directory, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"Ray Train failed: {done.stdout}{done.stderr}")
    return {"launched": began, **json.loads(done.stdout.splitlines()[-1])}


def unix(mark: float | str) -> float:
    """Unix seconds of a mark, which may be a number or an RFC 3339 time."""
    return float(mark) if isinstance(mark, int | float) else parse(mark).timestamp()


def rest(cluster: RayNodes, preloaded: bool) -> None:
    """Wait until the cluster's processes have nothing left to do, and torch is loaded where it is to be."""

    def busy_seconds() -> float:
        used = 0.0
        for node in cluster.nodes:
            for process in node.processes():
                try:
                    used += sum(process.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue
        return used

    def loaded() -> bool:
        return all(any(has_torch(process) for process in node.processes()) for node in cluster.nodes[1:])

    if preloaded:
        wait_for(loaded, "workers with torch loaded", 120, 0.2)
    calm = 0
    deadline = time.monotonic() + 60
    while calm < 3 and time.monotonic() < deadline:
        before = busy_seconds()
        time.sleep(0.5)
        calm = calm + 1 if busy_seconds() - before < 0.15 else 0


def has_torch(process: psutil.Process) -> bool:
    """Whether torch's library is mapped in a process."""
    try:
        return "libtorch_python" in Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return False


def measure(
    title: str, job: Callable[[RayNodes, S3Handle, Path, int], Marks], env: dict[str, str], s3: S3Handle, runs: int
) -> list[Marks]:
    """Seconds since the launch by stage, for each run."""
    found = []
    with tempfile.TemporaryDirectory(prefix="startup-") as folder:
        for number in range(runs):
            with RayNodes.start(WORKERS, worker_env=env) as cluster:
                rest(cluster, bool(env))
                marks = job(cluster, s3, Path(folder), hash((title, number)) % 10**8)
            found.append({stage: at - marks["launched"] for stage, at in marks.items()})
            print(f"{title}, run {number + 1}: first step after {found[-1]['firstStep']:.1f} s", file=sys.stderr)
    return found


def table(columns: dict[str, list[Marks]]) -> str:
    """Median (least to most) of all runs, a row per stage and a column per case."""
    lines = [f"| seconds since the job's start | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, stage in STAGES:
        cells = []
        for runs in columns.values():
            values = [run[stage] for run in runs if stage in run]
            cells.append(f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})" if values else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder with the four IDX files; default: the offline digits")
    parser.add_argument("--without-ray-train", action="store_true")
    args = parser.parse_args()
    columns: dict[str, list[Marks]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="startup-s3-") as folder,
        start_s3(Path(folder), "datasets", "models") as s3,
    ):
        data = s3.root / "datasets" / "data"
        if args.data:
            shutil.copytree(args.data, data)
        else:
            write_digits(data)
        for title, job in (("", train), ("Ray Train, ", ray_train)):
            if title and args.without_ray_train:
                break
            for kind, env in (("cold", {}), ("preloaded", WORKER_ENV)):
                columns[title + kind] = measure(title + kind, job, env, s3, args.runs)
    print(f"{args.runs} runs each, median (least to most)\n\n{table(columns)}")


if __name__ == "__main__":
    main()
