"""The loop between bare processes that talk through gloo, without Ray."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.trainer.loop_support import make_job

from mnist_trainer.collective import Alone, ProcessGroup
from mnist_trainer.train import TrainingLoop


def _worker(rank: int, world_size: int, directory: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{directory}/rendezvous", rank=rank, world_size=world_size
    )
    outcome = TrainingLoop(make_job("lenet5", epochs=2), ProcessGroup()).run()
    weights = {name: weight.numpy() for name, weight in outcome.weights.items()}
    np.savez(f"{directory}/{rank}.npz", accuracy=outcome.evaluation.accuracy, **weights)
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_compute_what_one_computes(tmp_path: Path, world_size: int) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_worker, args=(rank, world_size, str(tmp_path))) for rank in range(world_size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(90)
        assert process.exitcode == 0
    torch.set_num_threads(1)
    alone = TrainingLoop(make_job("lenet5", epochs=2), Alone()).run()
    for rank in range(world_size):
        result = np.load(tmp_path / f"{rank}.npz")
        assert float(result["accuracy"]) == alone.evaluation.accuracy
        for name, weight in alone.weights.items():
            np.testing.assert_allclose(result[name], weight.numpy(), rtol=2e-3, atol=2e-4)
