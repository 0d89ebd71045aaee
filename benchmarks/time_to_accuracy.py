"""Seconds and epochs to 98.8, 99.2 and 99.5 %: our recipe and the popular example recipe side by side, and through Ray.

    python benchmarks/time_to_accuracy.py --data DIR --seeds 5 --example-seeds 1 --ray-workers 1,2,4

DIR holds MNIST's four IDX files. The runs are made one after the other, each in a process of its own, on `--threads`
threads (Ray: one thread for each worker). Every finished epoch is kept in `--out`, so that an interrupted comparison
goes on where it stopped when it is started again. At the end: a table, and how much sooner ours is.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn  # noqa: E402

from benchmarks.accuracy import through_ray  # noqa: E402
from benchmarks.accuracy.one_process import EXAMPLE, OURS, epochs_of  # noqa: E402
from benchmarks.accuracy.results import Case, Epoch, ResultsFile, Run  # noqa: E402
from benchmarks.accuracy.table import markdown  # noqa: E402
from mnist_trainer.data.dataset import load_folder  # noqa: E402
from mnist_trainer.errors import TrainerError  # noqa: E402

EXAMPLE_EPOCHS = 14


def plan(args: argparse.Namespace) -> list[Case]:
    """The runs to make: ours first, since they are short."""
    cases = [Case(OURS, seed, args.epochs) for seed in range(args.seeds)]
    cases += [
        Case(through_ray.ray_recipe(workers), seed, args.epochs)
        for workers in args.ray_workers
        for seed in range(args.ray_seeds)
    ]
    examples = 0 if args.skip_example else args.seeds if args.example_seeds is None else args.example_seeds
    return cases + [Case(EXAMPLE, seed, args.example_epochs) for seed in range(examples)]


def about(data: Path, threads: int) -> tuple[dict[str, Any], int]:
    """On what it is measured, and the number of training images."""
    import numpy
    import torch

    dataset = load_folder(data)
    facts = {
        "dataset": dataset.digest,
        "threads": threads,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "trainer": trainer_digest(),
    }
    return facts, len(dataset.train_images)


def trainer_digest() -> str:
    """Digest of the code that trains: figures of another version are not mixed in."""
    package = ROOT / "trainer" / "mnist_trainer"
    digest = hashlib.sha256()
    for name in ("augment", "batches", "collective", "evaluate", "meter", "models", "optim", "plan", "state", "train"):
        path = package / f"{name}.py"
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def measure(args: argparse.Namespace, results: ResultsFile, images: int, console: Console) -> None:
    """Make the runs that are missing, with a bar over all their epochs."""
    cases = results.missing(plan(args))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console) as progress,
        tempfile.TemporaryDirectory(prefix="tta-") as scratch,
    ):
        task = progress.add_task("epochs", total=sum(case.epochs for case in cases))
        for case in cases:
            progress.update(task, description=f"{case.recipe}, seed {case.seed}")
            run = Run(case, images)
            begun = progress.tasks[0].completed
            if through_ray.ray_workers(case.recipe):
                with through_ray.store(args.data, Path(tempfile.mkdtemp(dir=scratch))) as store:
                    advanced = partial(_set_epoch, progress, task, begun)
                    run.epochs, run.command_seconds = store.train(case, advanced)
                for epoch in run.epochs:
                    console.print(line(case, epoch), highlight=False)
                results.keep(run)
            else:
                for epoch in epochs_of(case, args.data, args.threads):
                    run.epochs.append(epoch)
                    results.keep(run)
                    console.print(line(case, epoch), highlight=False)
                    progress.advance(task)
            progress.update(task, completed=begun + case.epochs)


def _set_epoch(progress: Progress, task: TaskID, begun: float, epoch: int) -> None:
    progress.update(task, completed=begun + epoch)


def line(case: Case, epoch: Epoch) -> str:
    """What is printed after an epoch."""
    return (
        f"{time.strftime('%H:%M:%S')} {case.recipe}, seed {case.seed}, epoch {epoch.epoch}/{case.epochs}: "
        f"{100 * epoch.accuracy:.2f} %, training {epoch.train_seconds:.1f} s, test {epoch.evaluation_seconds:.1f} s"
    )


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line; ends the program with status 2 where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four IDX files, plain or .gz")
    parser.add_argument("--seeds", type=at_least_zero, default=3, help="runs of our recipe in one process")
    parser.add_argument("--example-seeds", type=at_least_zero, help="runs of the example recipe (default: --seeds)")
    parser.add_argument("--ray-seeds", type=at_least_zero, default=1, help="runs for each number of Ray workers")
    parser.add_argument("--ray-workers", type=numbers, default=[1, 2, 4], help="such as 1,2,4; '' for none")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of our recipe")
    parser.add_argument("--example-epochs", type=int, default=EXAMPLE_EPOCHS)
    parser.add_argument("--skip-example", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the runs in one process")
    parser.add_argument("--out", type=Path, default=Path(".local/benchmark/time_to_accuracy.json"))
    parser.add_argument("--fresh", action="store_true", help="forget what --out holds")
    args = parser.parse_args(argv)
    if min(args.epochs, args.example_epochs, args.threads) < 1:
        parser.error("--epochs, --example-epochs and --threads must be at least 1")
    return args


def at_least_zero(text: str) -> int:
    """A count."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return int(text)


def numbers(text: str) -> list[int]:
    """Numbers separated by commas."""
    parts = [part for part in text.split(",") if part]
    if not all(part.isdigit() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers from 1, such as 1,2,4")
    return [int(part) for part in parts]


def main() -> None:
    """Measure, then print the table."""
    args = parse(sys.argv[1:])
    console = Console(stderr=True)
    try:
        facts, images = about(args.data, args.threads)
    except TrainerError as error:
        raise SystemExit(f"--data: {error.message}") from None
    results = ResultsFile(args.out, facts, fresh=args.fresh)
    status = 0
    try:
        measure(args, results, images, console)
    except KeyboardInterrupt:
        console.print(f"stopped; start it again to go on (finished epochs are in {args.out})")
        status = 130
    print(markdown(results.runs, EXAMPLE))
    print(f"\nEverything measured: {args.out}")
    raise SystemExit(status)


if __name__ == "__main__":
    main()
