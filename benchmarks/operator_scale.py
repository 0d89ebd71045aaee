"""What trainings cost the operator: time until their children exist, requests, memory, CPU.

    python benchmarks/operator_scale.py --trainings 1000 [--kubeconfig FILE] [--lives]

Without --kubeconfig an embedded API server is started. With it, the cluster must have KubeRay's CRDs, and no KubeRay
is needed: a namespace of its own is made and deleted. First --alone trainings are applied one after the other, then
--trainings all at once, each timed from the answer to its creation until a watch shows its RayCluster, the last child
that is made before KubeRay takes over. With --lives, KubeRay and the trainer are played by a script until every
training has succeeded. KubeRay itself, pods and training are no part of this.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the tests' helpers, which drive API servers and operators

from tests.support.apiserver import start_apiserver

from benchmarks.scale.cluster import MissingKubeRayError, Scene
from benchmarks.scale.lives import Lives
from benchmarks.scale.operator import MeasuredOperator, Usage
from mnist_kube.objects import Object
from mnist_kube.resources import RAYCLUSTERS
from mnist_operator.children.training import LABEL_TRAINING

_CONSOLE = Console(stderr=True)
_REST_SECONDS = 10.0


@dataclass
class Measured:
    """What one run found; times in seconds."""

    alone: list[float]
    crowd: list[float]
    wall: float
    lives_wall: float | None
    before: Usage
    after_children: Usage
    after_rest: Usage
    end: Usage
    children: dict[str, int]


class Births:
    """When each training's RayCluster was first seen."""

    def __init__(self, scene: Scene) -> None:
        self.at: dict[str, float] = {}
        self._watch = scene.watch(RAYCLUSTERS.path(scene.namespace), self._seen)
        self._scene = scene

    def _seen(self, event: str, obj: Object) -> None:
        if event == "ADDED":
            self.at.setdefault(obj["metadata"]["labels"][LABEL_TRAINING], time.monotonic())

    def delays(self, names: list[str]) -> list[float]:
        """Return the seconds from the answered creation to the seen RayCluster."""
        return [max(0.0, self.at[name] - self._scene.applied[name]) for name in names]

    def stop(self) -> None:
        """End the watch."""
        self._watch.stop()


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar; the yielded function sets how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_CONSOLE) as bars:
        task = bars.add_task(title, total=total)
        yield lambda done: bars.update(task, completed=done)


def wait_all(title: str, names: list[str], seen: dict[str, float], patience: float, failed: list[str]) -> None:
    """Wait until all of `names` are in `seen`, with a bar; give up after `patience` seconds without a new one."""
    wanted = set(names)
    last, since = -1, time.monotonic()
    with progress(title, len(wanted)) as show:
        while last < len(wanted):
            done = len(wanted & seen.keys())
            if done != last:
                last, since = done, time.monotonic()
            show(done)
            if failed:
                raise SystemExit(f"a training failed: {failed[0]}")
            if time.monotonic() - since > patience:
                raise SystemExit(f"stopped: {done} of {len(wanted)} after {patience:.0f} s without another")
            time.sleep(0.02)


def measure(args: argparse.Namespace, kubeconfig: Path, folder: Path) -> Measured:
    """Run the trainings and read what they cost."""
    scene = Scene(kubeconfig)
    scene.prepare(own_kuberay=args.kubeconfig is None)
    settings = dict(item.split("=", 1) for item in args.set)
    operator = MeasuredOperator(kubeconfig, folder, scene.namespace, **settings)
    births = lives = None
    try:
        operator.wait_ready()
        if args.pause:
            _CONSOLE.print(f"operator's process id: {operator.pid}")
            time.sleep(args.pause)
        births = Births(scene)
        alone = [f"alone-{number}" for number in range(args.alone)]
        for name in alone:
            scene.apply(name)
            wait_all(name, [name], births.at, 60, [])
            scene.remove(name)
        before = settled(operator)
        lives = Lives(scene) if args.lives else None
        failed = lives.failed if lives else []
        names = [f"crowd-{number:05}" for number in range(args.trainings)]
        started = time.monotonic()
        scene.apply_all(names)
        wait_all("children", names, births.at, 60, failed)
        wall = max(births.at[name] for name in names) - started
        lives_wall = None
        if lives:
            wait_all("lives", names, lives.finished, 60, failed)
            lives_wall = max(lives.finished[name] for name in names) - started
        after_children = settled(operator)
        time.sleep(_REST_SECONDS)
        after_rest = operator.usage()
        return Measured(
            alone=births.delays(alone),
            crowd=births.delays(names),
            wall=wall,
            lives_wall=lives_wall,
            before=before,
            after_children=after_children,
            after_rest=after_rest,
            end=operator.usage(),
            children=scene.children_of(names[-1]),
        )
    finally:
        if lives:
            lives.stop()
        if births:
            births.stop()
        operator.stop()
        if not args.keep:
            scene.delete()


def settled(operator: MeasuredOperator) -> Usage:
    """Wait until a second passes without a request."""
    last = operator.usage()
    while True:
        time.sleep(1.0)
        now = operator.usage()
        if now.total == last.total:
            return now
        last = now


def table(found: Measured, trainings: int) -> str:
    """Return the Markdown table."""
    requests = found.after_children.total - found.before.total
    cpu = found.after_children.cpu_seconds - found.before.cpu_seconds
    rest_cpu = found.after_rest.cpu_seconds - found.after_children.cpu_seconds
    rows = []
    if found.alone:
        rows.append(
            ("one alone, apply to RayCluster, p50 / max", f"{spread(found.alone, 50)} / {max(found.alone):.3f} s")
        )
    rows += [
        (
            f"{trainings} at once, apply to RayCluster, p50 / p99",
            f"{spread(found.crowd, 50)} / {spread(found.crowd, 99)} s",
        ),
        (f"wall time until all {trainings} have their children", f"{found.wall:.1f} s"),
    ]
    if found.lives_wall is not None:
        rows.append((f"wall time until all {trainings} have succeeded", f"{found.lives_wall:.1f} s"))
    whole = "whole life" if found.lives_wall is not None else "training, until its RayCluster is there"
    rows += [
        (f"requests per {whole}", f"{requests / trainings:.2f}"),
        ("of them not answered with success", str(found.after_children.refused - found.before.refused)),
        (f"requests in {_REST_SECONDS:.0f} s of rest", str(found.after_rest.total - found.after_children.total)),
        ("CPU of the operator", f"{cpu:.1f} s, {1000 * cpu / trainings:.1f} ms per training"),
        (f"CPU in {_REST_SECONDS:.0f} s of rest", f"{rest_cpu:.2f} s"),
        ("resident memory before / at the peak", f"{found.before.now_mib:.0f} / {found.end.peak_mib:.0f} MiB"),
        ("children of a training at the end", ", ".join(f"{n} {kind}" for kind, n in found.children.items() if n)),
    ]  # fmt: skip
    verbs = {key: found.after_children.requests.get(key, 0) - found.before.requests.get(key, 0)
             for key in found.after_children.requests}  # fmt: skip
    listed = ", ".join(f"{key}: {number}" for key, number in sorted(verbs.items()) if number)
    lines = ["| what | measured |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*lines, "", f"Requests: {listed}"])


def spread(values: list[float], percent: int) -> str:
    """Return a percentile as text."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{statistics.quantiles(values, n=100, method='inclusive')[percent - 1]:.3f}"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=1000, help="applied all at once")
    parser.add_argument("--alone", type=int, default=20, help="applied one after the other, before")
    parser.add_argument(
        "--kubeconfig", type=Path, help="a cluster with KubeRay's CRDs; default: an embedded API server"
    )
    parser.add_argument("--lives", action="store_true", help="play KubeRay and the trainer until all have succeeded")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the operator")
    parser.add_argument("--pause", type=float, default=0, help="seconds to wait before, for attaching a profiler")
    parser.add_argument("--keep", action="store_true", help="leave the namespace")
    args = parser.parse_args()
    if args.trainings < 1 or args.alone < 0:
        parser.error("--trainings must be at least 1, and --alone not negative")
    # Asked to end, end as after an error: no operator, server or namespace is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="mt-scale-") as name:
        folder = Path(name)
        server = None if args.kubeconfig else start_apiserver(folder)
        try:
            found = measure(args, server.kubeconfig if server else args.kubeconfig, folder)
        except MissingKubeRayError as error:
            sys.exit(f"operator_scale: {error}")
        finally:
            if server:
                server.stop()
    where = args.kubeconfig or "embedded API server"
    print(f"{args.trainings} trainings, {'whole lives' if args.lives else 'children'}, on {where}\n")
    print(table(found, args.trainings))


if __name__ == "__main__":
    main()
