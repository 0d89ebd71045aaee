"""What trainings cost the operator: time until their children exist, requests, memory, CPU.

    python benchmarks/operator_scale.py --trainings 1000 [--kubeconfig FILE] [--lives]
    python benchmarks/operator_scale.py --trainings 0 --finished 20000
    python benchmarks/operator_scale.py --trainings 0 --alone 0 --request-costs 500

Without --kubeconfig an embedded API server is started. With it, the cluster must have KubeRay's CRDs, and no KubeRay
is needed: a namespace of its own is made and deleted. First --alone trainings are applied one after the other, then
--trainings all at once, each timed from the answer to its creation until a watch shows its RayCluster, the last child
that is made before KubeRay takes over. With --lives, KubeRay and the trainer are played by a script until every
training has succeeded. KubeRay itself, pods and training are no part of this.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the tests' helpers, which drive API servers and operators

from tests.support.apiserver import start_apiserver

from benchmarks.scale.cluster import MissingKubeRayError, Scene
from benchmarks.scale.costs import request_costs
from benchmarks.scale.crowd import lay_finished
from benchmarks.scale.lives import Lives
from benchmarks.scale.operator import MeasuredOperator, Usage
from benchmarks.scale.report import REST_SECONDS, Measured, Restart, costs_table, table
from benchmarks.scale.server import ServerCpu
from mnist_kube.objects import Object
from mnist_kube.resources import RAYCLUSTERS
from mnist_operator.children.training import LABEL_TRAINING

_CONSOLE = Console(stderr=True)


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


def measure(args: argparse.Namespace, scene: Scene, folder: Path, cpu: ServerCpu | None) -> Measured:
    """Run the trainings and read what they cost."""
    if args.finished:
        with progress("finished", args.finished) as show:
            lay_finished(scene, args.finished, show)
    settings = dict(item.split("=", 1) for item in args.set)
    operator = MeasuredOperator(scene.cluster.kubeconfig, folder, scene.namespace, **settings)
    births = lives = restart = None
    try:
        ready_after = operator.wait_ready()
        if args.finished:
            ready = operator.usage()
            restart = Restart(args.finished, ready_after, ready, at_rest(operator))
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
        started, server_before = time.monotonic(), cpu.seconds() if cpu else {}
        scene.apply_all(names)
        wait_all("children", names, births.at, 60, failed)
        wall = max((births.at[name] for name in names), default=started) - started
        lives_wall = None
        if lives:
            wait_all("lives", names, lives.finished, 60, failed)
            lives_wall = max(lives.finished[name] for name in names) - started
        after_children = settled(operator)
        server_after = cpu.seconds() if cpu else {}
        time.sleep(REST_SECONDS)
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
            children=scene.children_of(names[-1]) if names else {},
            restart=restart,
            server={name: server_after[name] - used for name, used in server_before.items()},
        )
    finally:
        if lives:
            lives.stop()
        if births:
            births.stop()
        operator.stop()


def at_rest(operator: MeasuredOperator) -> Usage:
    """Wait until the process does nothing any more, kopf's watches included."""
    last = operator.usage()
    while True:
        time.sleep(2.0)
        now = operator.usage()
        if now.total == last.total and now.cpu_seconds - last.cpu_seconds < 0.1:
            return now
        last = now


def settled(operator: MeasuredOperator) -> Usage:
    """Wait until a second passes without a request."""
    last = operator.usage()
    while True:
        time.sleep(1.0)
        now = operator.usage()
        if now.total == last.total:
            return now
        last = now


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=1000, help="applied all at once")
    parser.add_argument("--finished", type=int, default=0, help="finished trainings that lie there before it starts")
    parser.add_argument(
        "--request-costs",
        type=int,
        default=0,
        metavar="N",
        help="also send N requests of each kind, and time the server",
    )
    parser.add_argument("--apiserver-pid", type=int, help="its process; default: the kube-apiserver on this machine")
    parser.add_argument("--alone", type=int, default=20, help="applied one after the other, before")
    parser.add_argument(
        "--kubeconfig", type=Path, help="a cluster with KubeRay's CRDs; default: an embedded API server"
    )
    parser.add_argument("--lives", action="store_true", help="play KubeRay and the trainer until all have succeeded")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the operator")
    parser.add_argument("--pause", type=float, default=0, help="seconds to wait before, for attaching a profiler")
    parser.add_argument("--keep", action="store_true", help="leave the namespace")
    args = parser.parse_args()
    if min(args.trainings, args.alone, args.finished, args.request_costs) < 0:
        parser.error("a number is negative")
    # Asked to end, end as after an error: no operator, server or namespace is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="mt-scale-") as name:
        folder = Path(name)
        server = None if args.kubeconfig else start_apiserver(folder)
        try:
            run(args, server.kubeconfig if server else args.kubeconfig, folder, server.process.pid if server else None)
        except MissingKubeRayError as error:
            sys.exit(f"operator_scale: {error}")
        finally:
            if server:
                server.stop()


def run(args: argparse.Namespace, kubeconfig: Path, folder: Path, embedded: int | None) -> None:
    """Measure on the cluster of `kubeconfig`, and print what was found."""
    cpu = ServerCpu.find(args.apiserver_pid or embedded)
    if cpu is None and args.request_costs:
        sys.exit("operator_scale: no kube-apiserver runs on this machine: --apiserver-pid names its process")
    scene = Scene(kubeconfig)
    scene.prepare(own_kuberay=args.kubeconfig is None)
    where = args.kubeconfig or "embedded API server"
    try:
        if args.trainings or args.alone or args.finished:
            found = measure(args, scene, folder, cpu)
            what = "whole lives" if args.lives else "children"
            print(f"{args.trainings} trainings, {what}, on {where}\n\n{table(found, args.trainings)}", flush=True)
        if cpu is not None and args.request_costs:
            print(f"\n{args.request_costs} requests of each kind, on {where}\n")
            print(costs_table(request_costs(scene, cpu, args.request_costs)))
    finally:
        if not args.keep:
            scene.delete()


if __name__ == "__main__":
    main()
