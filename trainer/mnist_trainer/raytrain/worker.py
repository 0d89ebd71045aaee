"""One worker's part in a group that trains. Importing it loads torch and everything else that training needs."""

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

from mnist_trainer.checkpoints.state import decode_state
from mnist_trainer.data import Dataset
from mnist_trainer.loop.collective import Alone, Collective, ProcessGroup
from mnist_trainer.loop.loop import TrainingLoop
from mnist_trainer.loop.memory import keep_freed_memory
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.raytrain.actor import Hooks, Place
from mnist_trainer.raytrain.job import assemble_job
from mnist_trainer.raytrain.messages import Finished, WorkersReady

_COLLECTIVE_TIMEOUT = timedelta(minutes=5)

logger = logging.getLogger(__name__)


def train_in_group(plan: TrainingPlan, dataset: Dataset, place: Place, hooks: Hooks) -> None:
    """Meet the others at `place.address`, train, and (worker 0) tell the result. Raises whatever goes wrong."""
    # Per thread, so here, not where torch was imported.
    use_assigned_cpus(torch, ray.get_runtime_context().get_assigned_resources())
    keep_freed_memory()
    try:
        _train(plan, dataset, _join(place), place.state, hooks)
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


def _train(plan: TrainingPlan, dataset: Dataset, collective: Collective, state: bytes | None, hooks: Hooks) -> None:
    with warnings.catch_warnings():
        # The arrays lie in Ray's shared memory and are read-only; the loop never writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        job = assemble_job(plan, dataset)
    loop = TrainingLoop(job, collective, hooks)
    resumed = 0
    if state is not None:
        try:
            restored = decode_state(state)
            loop.restore(restored)
            resumed = restored.epoch
        except ValueError:
            logger.exception("the saved state is of no use: training starts at the beginning")
    if collective.rank == 0:
        hooks.tell(WorkersReady(collective.world_size, resumed, time.time()))
    outcome = loop.run()
    if collective.rank:
        return
    from mnist_trainer.release.onnx_file import encode_weights_as_onnx

    evaluation = outcome.evaluation
    weights = {name: weight.numpy() for name, weight in outcome.weights.items()}
    trained_at = time.time()
    hooks.tell(
        Finished(
            history=[record.as_dict() for record in outcome.history],
            weights=weights,
            onnx=encode_weights_as_onnx(weights, plan, evaluation.accuracy),
            accuracy=evaluation.accuracy,
            loss=evaluation.loss,
            predictions=evaluation.predictions.numpy(),
            confidences=evaluation.confidences.numpy(),
            true_confidences=evaluation.true_confidences.numpy(),
            versions=versions(),
            device=str(job.device),
            at=trained_at,
        )
    )


def versions() -> dict[str, str]:
    """Versions of what computes here, by name."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a type of torch's own: whoever unpickles it would import torch
        "numpy": numpy.__version__,
        "ray": ray.__version__,
    }
