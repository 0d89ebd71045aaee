"""Runs a recipe in a process of its own, so that no run inherits another's threads, memory or caches."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.accuracy.results import Case, Epoch

EXAMPLE, OURS = "example", "ours"


def epochs_of(case: Case, data: Path, threads: int) -> Iterator[Epoch]:
    """Train in a new process with `threads` threads, yielding each epoch as it ends. Ends the process with itself."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(case, data, threads, sender), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            try:
                yield receiver.recv()
            except EOFError:
                break
        process.join()
        if process.exitcode:
            raise SystemExit(f"the run of {case.recipe} with seed {case.seed} ended with status {process.exitcode}")
    finally:
        process.kill()
        process.join()


def _train(case: Case, data: Path, threads: int, sender: Connection) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it ends this process
    import torch

    from benchmarks.accuracy.example import train_example
    from benchmarks.accuracy.ours import train_ours
    from mnist_trainer.data.dataset import load_folder

    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    dataset = load_folder(data)
    if case.recipe == EXAMPLE:
        for epoch in train_example(dataset, case.seed, case.epochs):
            sender.send(epoch)
    else:
        train_ours(dataset, case.seed, case.epochs, threads, sender.send)
