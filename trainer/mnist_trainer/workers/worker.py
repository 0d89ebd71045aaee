"""One worker's part in a group that trains. Importing it loads torch and everything else that training needs.

The workers meet at an address of the first one's node and connect by gloo or NCCL; then each runs the loop. Worker 0
publishes what the loop says, and at the end the result.
"""

from __future__ import annotations

import logging
import os
import platform
import time
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy
import ray
import torch

from mnist_trainer.collective import Alone, Collective, ProcessGroup
from mnist_trainer.data import Dataset
from mnist_trainer.events import Finished, Publish, WorkersReady
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.state import decode_state
from mnist_trainer.train import Outcome, TrainingJob, TrainingLoop, keep_freed_memory
from mnist_trainer.workers.protocol import Place

_COLLECTIVE_TIMEOUT = timedelta(minutes=5)

logger = logging.getLogger(__name__)


def train_in_group(plan: TrainingPlan, dataset: Dataset, place: Place, publish: Publish) -> None:
    """Meet the others, train and publish the result. Raises whatever goes wrong."""
    # Per thread, so here, not where torch was imported.
    use_assigned_cpus(torch, ray.get_runtime_context().get_assigned_resources())
    keep_freed_memory()
    try:
        _train(plan, dataset, _join(place), place.state, publish)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def use_assigned_cpus(torch: Any, resources: Mapping[str, float]) -> None:
    """Compute on as many threads as Ray assigned CPUs, or as OMP_NUM_THREADS says.

    Ray sets that variable for each worker, but a process that loaded torch before has one thread for each core of the
    machine by then, and workers that share cores spend their time waiting for each other's threads.
    """
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(chosen) if chosen.isdigit() and int(chosen) else max(1, int(resources.get("CPU", 1))))


def _join(place: Place) -> Collective:
    """Connect the workers. Gloo on CPUs; NCCL where every worker has a device of its own."""
    if place.world_size == 1:
        return Alone()
    torch.distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        init_method=place.address,
        rank=place.rank,
        world_size=place.world_size,
        timeout=_COLLECTIVE_TIMEOUT,
    )
    return ProcessGroup()


def _train(plan: TrainingPlan, dataset: Dataset, collective: Collective, state: bytes | None, publish: Publish) -> None:
    with warnings.catch_warnings():
        # The arrays lie in Ray's shared memory and are read-only; the loop never writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        job = TrainingJob.assemble(plan, dataset, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    loop = TrainingLoop(job, collective, publish)
    resumed = _resume(loop, state)
    if collective.rank == 0:
        publish(WorkersReady(collective.world_size, resumed, time.time()))
    outcome = loop.run()
    if collective.rank == 0:
        publish(_finished(job, outcome))


def _resume(loop: TrainingLoop, state: bytes | None) -> int:
    """Go on from an encoded state, if there is one and it fits; returns the finished epochs."""
    if state is None:
        return 0
    try:
        restored = decode_state(state)
        loop.restore(restored)
    except ValueError:
        logger.exception("the saved state is of no use: training starts at the beginning")
        return 0
    return restored.epoch


def _finished(job: TrainingJob, outcome: Outcome) -> Finished:
    from mnist_trainer.inference.export import encode_weights_as_onnx

    trained_at = time.time()
    evaluation = outcome.evaluation
    weights = {name: weight.numpy() for name, weight in outcome.weights.items()}
    return Finished(
        history=outcome.history,
        weights=weights,
        onnx=encode_weights_as_onnx(weights, job.plan, evaluation.accuracy),
        accuracy=evaluation.accuracy,
        loss=evaluation.loss,
        predictions=evaluation.predictions.numpy(),
        confidences=evaluation.confidences.numpy(),
        true_confidences=evaluation.true_confidences.numpy(),
        versions=versions(),
        device=str(job.device),
        at=trained_at,
    )


def versions() -> dict[str, str]:
    """Versions of what computes here, by name."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a type of torch's own: whoever unpickles it would import torch
        "numpy": numpy.__version__,
        "ray": ray.__version__,
    }
