"""Trainings while what they need is killed and stalled at random, and what came of it.

    python benchmarks/chaos.py --seed 1 --minutes 2 --trainings 2

Brings a local stack up (embedded API server, local KubeRay, object store, real operator, real Ray and PyTorch), runs
one training undisturbed, then keeps `--trainings` going for `--minutes` while operator, API server, object store,
KubeRay, head pods, worker pods and workers' processes are struck as the seed says. Every training must reach the right
end: the model of the undisturbed run, to the byte, or, of those that are meant to fail, the right reason. Two attempts
of one training must never run at once, and in the end nothing may be left over. Exit code 1 if any of this fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.disturbance import processes
from benchmarks.disturbance.load import Load
from benchmarks.disturbance.plan import Fault, plan
from benchmarks.disturbance.report import Report, Struck
from benchmarks.disturbance.victims import Striker
from benchmarks.disturbance.watch import Watch
from mnist_kube import kubeconfig
from mnist_kube.client import KubeApi
from mnist_local.stack.layout import Layout
from mnist_local.stack.state import StackState

_PATIENCE_S = 30.0  # for a victim to be there, and for the last children to go
_PROGRESS_S = 5.0
_END_S = 1200.0  # after the last fault


class Run:
    """One chaos run on a stack that is up."""

    def __init__(self, layout: Layout, report: Report, epochs: int) -> None:
        self._layout = layout
        self._report = report
        self._api = KubeApi(kubeconfig.load(layout.kubeconfig))
        self._started = time.monotonic()
        self._load = Load(self._api, epochs, self.clock, self.tell)
        self._watch = Watch(self._api, layout)
        self._striker = Striker(layout)

    def clock(self) -> float:
        """Seconds of the run; the faults' times are on this clock."""
        return time.monotonic() - self._started

    def tell(self, text: str) -> None:
        """Say what happens, on stderr."""
        print(f"[{self.clock():6.1f}s] {text}", file=sys.stderr, flush=True)

    async def main(self) -> None:
        """Run it, and fill in the report."""
        report = self._report
        watching = asyncio.create_task(self._watch.run())
        talking = asyncio.create_task(self._progress())
        try:
            self.tell("a training that nobody disturbs")
            reference = await self._load.reference()
            if reference.problem:
                raise SystemExit(f"the undisturbed training did not succeed: {reference.problem}")
            report.undisturbed_seconds = reference.ended - reference.begun
            report.accuracy = reference.status["result"]["accuracy"]
            self._started = time.monotonic()
            seconds = 60 * report.minutes
            async with asyncio.timeout(seconds + _END_S):
                busy = asyncio.create_task(self._load.keep_busy(report.at_once, seconds))
                await asyncio.gather(*(self._strike(fault) for fault in report.planned))
                self.tell("no more faults; waiting for the trainings to end")
                await busy
            report.left_over += await self._load.leftovers(_PATIENCE_S)
        except TimeoutError:
            report.violations.append(f"not ended {_END_S:.0f} s after the last fault: {self._load.states}")
        finally:
            for task in (watching, talking):
                task.cancel()
            await asyncio.gather(watching, talking, return_exceptions=True)
            await self._api.close()
            report.trainings = self._load.ended
            report.violations += self._watch.ledger.violations
            state = StackState.read(self._layout.state)
            report.part_restarts = {part.name: part.restarts for part in state.parts} if state else {}
        report.left_over += [f"{p.pod}: {p.command[0]}" for p in processes.of_pods(self._layout.kuberay)]

    async def _strike(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at - self.clock()))
        began = self.clock()
        length = f" for {fault.seconds:.1f} s" if fault.seconds else ""
        self.tell(f"fault {fault.number} of {len(self._report.planned)}: {fault.kind}{length}")
        victim = await self._striker.strike(fault, _PATIENCE_S)
        if victim is None:
            self.tell(f"fault {fault.number} ({fault.kind}) found nobody to strike")
            return
        self._report.struck.append(Struck(fault, victim, began, self.clock()))
        self.tell(f"fault {fault.number} done: {fault.kind}: {victim}")

    async def _progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            states = "; ".join(f"{name}: {state}" for name, state in sorted(self._load.states.items()))
            self.tell(f"{len(self._load.ended)} ended; {states or 'none running'}")


def mnistctl(verb: str, folder: Path) -> None:
    """Bring the stack up or down."""
    command = [sys.executable, "-m", "mnist_cli", "local", verb, "--dir", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="decides what is struck, and when")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults are injected")
    parser.add_argument("--trainings", type=int, default=2, help="how many run at once")
    parser.add_argument("--epochs", type=int, default=12, help="of each training of the offline digits")
    parser.add_argument("--every", type=float, default=8.0, help="mean seconds from one fault to the next")
    parser.add_argument("--dir", type=Path, default=Path(".local/chaos"), help="folder of the local stack")
    parser.add_argument("--json", type=Path, help="write the report there too")
    given = parser.parse_args()
    if given.minutes <= 0 or given.trainings < 1 or given.epochs < 1 or given.every <= 0:
        parser.error("--minutes and --every must be positive, --trainings and --epochs at least 1")
    return given


def main() -> int:
    """Run and report; returns 0 if everything held."""
    given = arguments()
    layout = Layout.at(given.dir)
    faults = plan(given.seed, 60 * given.minutes, given.every)
    report = Report(given.seed, given.minutes, given.trainings, faults)

    async def run() -> None:
        await Run(layout, report, given.epochs).main()

    mnistctl("up", given.dir)
    try:
        asyncio.run(run())
    finally:
        mnistctl("down", given.dir)
    report.left_over += [f"process {p.pid} {p.command[0]}" for p in processes.of_folder(layout.root)]
    print(f"seed {report.seed}, {report.minutes:g} minutes, {report.at_once} trainings at once\n\n{report.markdown()}")
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
