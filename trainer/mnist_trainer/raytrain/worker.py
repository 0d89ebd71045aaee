"""What runs in each Ray Train worker."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import ray
import ray.train
from ray.train.collective import broadcast_from_rank_zero

from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.raytrain.coordinator import WorkerInputs
from mnist_trainer.raytrain.messages import (
    EpochFinished,
    Finished,
    FirstStep,
    Message,
    Progressed,
    WorkerFailed,
    WorkersReady,
)

_COLLECTIVE_TIMEOUT = timedelta(minutes=5)

logger = logging.getLogger(__name__)


def train_worker(config: dict[str, Any]) -> None:
    """Ray Train's function. `config["coordinator"]` is the handle of the `Coordinator` actor.

    Errors that training again cannot cure are told to the driver, and the function returns: Ray Train takes any
    exception as a reason to start all workers again.
    """
    coordinator = config["coordinator"]
    pending = coordinator.inputs.remote()
    import torch  # imported while the driver still loads the data

    use_assigned_cpus(torch, ray.get_runtime_context().get_assigned_resources())
    inputs: WorkerInputs = ray.get(pending)
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    group, state = ray.get(coordinator.begin.remote()) if rank == 0 else (0, None)
    reporter = _Reporter(coordinator, group)
    try:
        _join(torch, rank, world_size)
        _train(inputs, rank, world_size, state, reporter)
    except TrainerError as error:
        reporter.tell(WorkerFailed(error.reason.value, error.message))
        reporter.flush()
    except torch.OutOfMemoryError as error:
        reporter.tell(
            WorkerFailed(FailureReason.OUT_OF_MEMORY.value, f"worker {rank} ran out of device memory: {error}")
        )
        reporter.flush()
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


def _join(torch: Any, rank: int, world_size: int) -> None:
    """Connect the workers. Gloo on CPUs; NCCL where every worker has a device of its own."""
    if world_size == 1:
        return
    address = None
    if rank == 0:
        with socket.socket() as probe:
            probe.bind(("", 0))
            address = f"tcp://{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"
    address = broadcast_from_rank_zero(address)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(
        backend, init_method=address, rank=rank, world_size=world_size, timeout=_COLLECTIVE_TIMEOUT
    )


def _train(inputs: WorkerInputs, rank: int, world_size: int, state: bytes | None, reporter: _Reporter) -> None:
    from mnist_trainer.checkpoints.state import decode_state
    from mnist_trainer.loop.collective import Alone, ProcessGroup
    from mnist_trainer.loop.loop import TrainingLoop
    from mnist_trainer.loop.memory import keep_freed_memory
    from mnist_trainer.raytrain.job import assemble_job

    keep_freed_memory()
    with warnings.catch_warnings():
        # The arrays lie in Ray's shared memory and are read-only; the loop never writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        job = assemble_job(inputs.plan, ray.get(inputs.dataset[0]))
    collective = ProcessGroup() if world_size > 1 else Alone()
    loop = TrainingLoop(job, collective, reporter)
    resumed = 0
    if state is not None:
        try:
            restored = decode_state(state)
            loop.restore(restored)
            resumed = restored.epoch
        except ValueError:
            logger.exception("the saved state is of no use: training starts at the beginning")
    reporter.tell(WorkersReady(world_size, resumed, time.time()))
    outcome = loop.run()
    evaluation = outcome.evaluation
    reporter.tell(
        Finished(
            history=[record.as_dict() for record in outcome.history],
            weights={name: weight.numpy() for name, weight in outcome.weights.items()} if rank == 0 else {},
            accuracy=evaluation.accuracy,
            loss=evaluation.loss,
            predictions=evaluation.predictions.numpy(),
            confidences=evaluation.confidences.numpy(),
            true_confidences=evaluation.true_confidences.numpy(),
            versions=versions(),
            device=str(job.device),
            at=time.time(),
        )
    )
    reporter.flush()


class _Reporter:
    """The loop's hooks: messages to the coordinator, without waiting for it. Group 0 (other workers) says nothing."""

    def __init__(self, coordinator: Any, group: int) -> None:
        self._coordinator = coordinator
        self._group = group
        self._last: Any = None

    def tell(self, message: Message) -> None:
        """Send; messages of one sender arrive in order."""
        if self._group:
            self._last = self._coordinator.tell.remote(self._group, message)

    def flush(self) -> None:
        """Wait until everything said has arrived."""
        if self._last is not None:
            ray.get(self._last)

    def started(self) -> None:
        """The first step is done."""
        self.tell(FirstStep(time.time()))

    def progressed(self, progress: Any) -> None:
        """Pass on where training stands."""
        self.tell(Progressed(**vars(progress)))

    def epoch_finished(self, record: Any, state: Any) -> None:
        """Pass on the epoch's figures and state."""
        from mnist_trainer.checkpoints.state import encode_state

        self.tell(EpochFinished(record.as_dict(), encode_state(state)))


def versions() -> dict[str, str]:
    """Versions of what computes here, by name."""
    import numpy
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a type of torch's own: whoever unpickles it would import torch
        "numpy": numpy.__version__,
        "ray": ray.__version__,
    }
