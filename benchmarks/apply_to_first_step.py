"""Seconds from `kubectl apply` to the first training step, split by stage, and the seconds of the training itself.

    python benchmarks/apply_to_first_step.py examples/quickstart.yaml --runs 3

Brings a local stack up once, then applies the manifest's training `--runs` times under other names, each from nothing:
a new RayCluster, a new RayJob. Times are taken by polling the API from outside (what a user would see) and, inside
the trainer, from the timeline in its metrics.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from mnist_kube import kubeconfig
from mnist_kube.client import KubeApi
from mnist_kube.resources import RAYCLUSTERS, TRAININGS
from mnist_kube.times import parse
from mnist_local.stack.layout import Layout

NAMESPACE = "default"
POLL = 0.02
STAGES = (
    ("children created", "applied", "cluster created"),
    ("Ray up", "cluster created", "cluster ready"),
    ("job submitted, entrypoint started", "cluster ready", "started"),
    ("data loaded", "started", "dataLoaded"),
    ("workers ready", "dataLoaded", "workersReady"),
    ("first step", "workersReady", "firstStep"),
    ("apply to first step", "applied", "firstStep"),
    ("training", "firstStep", "trained"),
    ("evaluated, published, job closed", "trained", "succeeded"),
    ("apply to Succeeded", "applied", "succeeded"),
)


async def one(api: KubeApi, training: dict[str, Any], layout: Layout) -> dict[str, float]:
    """Apply one training and return the times of its marks, in Unix seconds."""
    name = training["metadata"]["name"]
    marks = {"applied": time.time()}
    await api.create(TRAININGS.path(NAMESPACE), training)
    while "succeeded" not in marks:
        if "cluster ready" not in marks and (cluster := await cluster_of(api, name)) is not None:
            marks.setdefault("cluster created", time.time())
            if (cluster.get("status") or {}).get("state") == "ready":
                marks["cluster ready"] = time.time()
        status = (await api.get(TRAININGS.path(NAMESPACE, name))).get("status") or {}
        if status.get("phase") == "Succeeded":
            marks["succeeded"] = time.time()
        elif status.get("phase") == "Failed":
            raise SystemExit(f"{name} failed: {status.get('reason')}: {status.get('message')}")
        await asyncio.sleep(POLL)
    metrics = status["result"]["metrics"].removeprefix("s3://")
    timeline = json.loads((layout.s3 / metrics).read_text())["timeline"]
    return {**marks, **{mark: seconds(value) for mark, value in timeline.items()}}


async def cluster_of(api: KubeApi, name: str) -> dict[str, Any] | None:
    """Return the RayCluster of a training, if it has one."""
    found = await api.list(RAYCLUSTERS.path(NAMESPACE), {"labelSelector": f"mnist.training/training={name}"})
    return next(iter(found.get("items") or []), None)


async def freed(api: KubeApi, name: str) -> None:
    """Wait until a training's pods are gone, so that the next run has the machine to itself."""
    async with asyncio.timeout(60):
        while await cluster_of(api, name) is not None:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.2)


def seconds(value: float | str) -> float:
    """Return Unix seconds of a mark, which may be a number or an RFC 3339 time."""
    return float(value) if isinstance(value, int | float) else parse(value).timestamp()


async def measure(training: dict[str, Any], layout: Layout, runs: int) -> list[dict[str, float]]:
    """Run the training `runs` times, one after the other."""
    found = []
    async with KubeApi(kubeconfig.load(layout.kubeconfig)) as api:
        for number in range(1, runs + 1):
            name = f"{training['metadata']['name']}-run{number}"
            marks = await one(api, {**training, "metadata": {"name": name}}, layout)
            found.append({stage: marks[end] - marks[start] for stage, start, end in STAGES})
            print(f"run {number}: first step after {found[-1]['apply to first step']:.1f} s", file=sys.stderr)
            await freed(api, name)
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path(".local/benchmark"))
    parser.add_argument("--data", type=Path, help="folder with the four IDX files; default: the offline digits")
    args = parser.parse_args()
    training = yaml.safe_load(args.manifest.read_text())
    layout = Layout.at(args.dir)
    command = [sys.executable, "-m", "mnist_cli", "local"]
    # A short run first seeds the dataset and warms the file cache, as any user's second run finds it.
    subprocess.run(
        [*command, "run", str(args.manifest), "--dir", str(args.dir)]
        + (["--data", str(args.data)] if args.data else []),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run([*command, "up", "--dir", str(args.dir)], check=True, stdout=subprocess.DEVNULL)
    try:
        found = asyncio.run(measure(training, layout, args.runs))
    finally:
        subprocess.run([*command, "down", "--dir", str(args.dir)], check=False, stdout=subprocess.DEVNULL)
    print(f"{args.manifest.name}, {args.runs} runs, seconds: median (least to most)\n")
    for stage, _, _ in STAGES:
        values = [run[stage] for run in found]
        print(f"| {stage} | {statistics.median(values):.1f} | {min(values):.1f} to {max(values):.1f} |")


if __name__ == "__main__":
    main()
