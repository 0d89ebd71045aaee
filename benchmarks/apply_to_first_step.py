"""Seconds from `kubectl apply` to the first training step, split by stage, and the seconds of the training itself.

    python benchmarks/apply_to_first_step.py examples/quickstart.yaml --runs 3
    python benchmarks/apply_to_first_step.py training.yaml --kubeconfig FILE --namespace NAME [--endpoint URL]

Applies the manifest's training `--runs` times under other names, each from nothing: a new RayCluster, a new RayJob.
Without --kubeconfig on a local stack, which is brought up once and ends afterwards. With it on a cluster that has the
operator, KubeRay, the images on its nodes and the storage Secret in the namespace; --endpoint is where the store is
seen from here. Times are taken by polling the API from outside (what a user would see) and, inside the trainer, from
the timeline in its metrics.json; the clocks of the nodes and of this machine must agree.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from mnist_client import AsyncClient
from mnist_kube.resources import RAYCLUSTERS, RAYJOBS, TRAININGS, Resource
from mnist_kube.times import parse
from mnist_local.stack.layout import Layout

POLL = 0.02
STAGES = (
    ("children created", "applied", "cluster created"),
    ("head ready", "cluster created", "head ready"),
    ("workers' pods ready", "head ready", "cluster ready"),
    ("apply to cluster ready", "applied", "cluster ready"),
    ("RayJob created", "cluster ready", "job created"),
    ("job submitted, entrypoint started", "job created", "started"),
    ("data loaded", "started", "dataLoaded"),
    ("workers ready", "dataLoaded", "workersReady"),
    ("first step", "workersReady", "firstStep"),
    ("RayJob created to first step", "job created", "firstStep"),
    ("apply to first step", "applied", "firstStep"),
    ("training", "firstStep", "trained"),
    ("evaluated, published, sealed", "trained", "sealed"),
    ("sealed to Succeeded", "sealed", "succeeded"),
    ("apply to Succeeded", "applied", "succeeded"),
)


async def one(client: AsyncClient, training: dict[str, Any]) -> dict[str, float]:
    """Apply one training and return the times of its marks, in Unix seconds."""
    name, api = training["metadata"]["name"], client.api
    marks = {"applied": time.time()}
    await api.create(TRAININGS.path(client.namespace), training)
    while "succeeded" not in marks:
        seen: set[str] = set()
        if "cluster ready" not in marks and (cluster := await child(client, RAYCLUSTERS, name)) is not None:
            seen |= cluster_marks(cluster)
        if "job created" not in marks and "cluster ready" in marks and await child(client, RAYJOBS, name):
            seen.add("job created")
        status = (await api.get(TRAININGS.path(client.namespace, name))).get("status") or {}
        if status.get("phase") == "Failed":
            raise SystemExit(f"{name} failed: {status.get('reason')}: {status.get('message')}")
        if (status.get("training") or {}).get("state") == "Succeeded":
            seen.add("sealed")
        if status.get("phase") == "Succeeded":
            seen.add("succeeded")
        for mark in seen - marks.keys():
            marks[mark] = time.time()
        await asyncio.sleep(POLL)
    timeline = (await (await client.result(name)).metrics())["timeline"]
    return {**marks, **{mark: seconds(value) for mark, value in timeline.items()}}


def cluster_marks(cluster: dict[str, Any]) -> set[str]:
    """Return the marks that a RayCluster has reached."""
    status = cluster.get("status") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or []}
    marks = {"cluster created"}
    if conditions.get("HeadPodReady") == "True" or status.get("state") == "ready":
        marks.add("head ready")
    return marks | ({"cluster ready"} if status.get("state") == "ready" else set())


async def child(client: AsyncClient, kind: Resource, name: str) -> dict[str, Any] | None:
    """Return the RayCluster or RayJob of a training, if it has one."""
    found = await client.api.list(kind.path(client.namespace), {"labelSelector": f"mnist.training/training={name}"})
    return next(iter(found.get("items") or []), None)


async def freed(client: AsyncClient, name: str) -> None:
    """Wait until a training's pods are gone, so that the next run has the machine to itself."""
    async with asyncio.timeout(300):
        while await child(client, RAYCLUSTERS, name) is not None:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.2)


def seconds(value: float | str) -> float:
    """Return Unix seconds of a mark, which may be a number or an RFC 3339 time."""
    return float(value) if isinstance(value, int | float) else parse(value).timestamp()


async def measure(training: dict[str, Any], client: AsyncClient, runs: int) -> list[dict[str, float]]:
    """Run the training `runs` times, one after the other."""
    found = []
    async with client:
        for number in range(1, runs + 1):
            name = f"{training['metadata']['name']}-run{number}"
            marks = await one(client, {**training, "metadata": {"name": name}})
            found.append({stage: marks[end] - marks[start] for stage, start, end in STAGES})
            print(f"run {number}: first step after {found[-1]['apply to first step']:.1f} s", file=sys.stderr)
            await freed(client, name)
    return found


def on_local_stack(args: argparse.Namespace, training: dict[str, Any]) -> list[dict[str, float]]:
    """Measure on a stack that is brought up and ended here."""
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
        return asyncio.run(measure(training, AsyncClient("default", kubeconfig=layout.kubeconfig), args.runs))
    finally:
        subprocess.run([*command, "down", "--dir", str(args.dir)], check=False, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path(".local/benchmark"))
    parser.add_argument("--data", type=Path, help="folder with the four IDX files; default: the offline digits")
    parser.add_argument("--kubeconfig", type=Path, help="a cluster; default: a local stack")
    parser.add_argument("--namespace", default="default", help="there; the storage Secret must be in it")
    parser.add_argument("--endpoint", help="where the store is seen from here, if elsewhere than in the cluster")
    args = parser.parse_args()
    training = yaml.safe_load(args.manifest.read_text())
    if args.kubeconfig:
        client = AsyncClient(args.namespace, kubeconfig=args.kubeconfig, endpoint=args.endpoint)
        found = asyncio.run(measure(training, client, args.runs))
    else:
        found = on_local_stack(args, training)
    print(f"{args.manifest.name}, {args.runs} runs, seconds: median (least to most)\n")
    for stage, _, _ in STAGES:
        values = [run[stage] for run in found]
        print(f"| {stage} | {statistics.median(values):.1f} | {min(values):.1f} to {max(values):.1f} |")


if __name__ == "__main__":
    main()
