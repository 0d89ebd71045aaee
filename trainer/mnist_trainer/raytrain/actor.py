"""The actor in which one worker trains. Importing it does not import torch; `prepare` does."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import ray

from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.raytrain.mailbox import Mailbox
from mnist_trainer.raytrain.messages import EpochFinished, FirstStep, Message, Progressed


@dataclass(frozen=True)
class WorkerInputs:
    """What every worker needs. `dataset` is a list holding one object reference (so that Ray does not resolve it)."""

    dataset: list[Any]
    plan: TrainingPlan


@dataclass(frozen=True)
class Place:
    """A worker's place in its group, which meets at `address`; `state`, for worker 0 only, is what to resume from."""

    rank: int
    world_size: int
    address: str
    state: bytes | None


class Ending(Enum):
    """How a worker's part in a group ended."""

    FINISHED = "finished"
    PAUSED = "paused"
    BROKEN = "broken"
    """An error that training again may cure, such as a fellow worker that is gone."""
    FAILED = "failed"
    """An error that training again would not cure."""


@dataclass(frozen=True)
class End:
    """The end of a worker's part in a group; `reason` (of the contract) and `message` where it is an error."""

    ending: Ending
    message: str = ""
    reason: str = FailureReason.INTERNAL_ERROR.value


class PausedError(Exception):
    """Leaves the loop between two epochs, because the group is to be made anew with more workers."""


class TrainWorker:
    """One worker. Methods of the concurrency group "io" answer while `train` trains.

    It outlives the groups that it trains in: after a loss the others go on in processes that have everything loaded.
    """

    def __init__(self) -> None:
        self._mailbox = Mailbox()
        self._pause = threading.Event()
        self._dataset: Any = None

    def prepare(self) -> str:
        """Import what training needs: seconds in a new process, nothing in one that was preloaded. Returns the host."""
        import mnist_trainer.raytrain.worker  # noqa: F401

        return host_name(os.environ)

    @ray.method(concurrency_group="io")  # type: ignore[untyped-decorator]  # ray has no types
    def meeting_address(self) -> str:
        """Where a group with this worker as its first can meet: a free port of this node."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"tcp://{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    @ray.method(concurrency_group="io")  # type: ignore[untyped-decorator]
    def messages(self, wait: float) -> list[Message]:
        """What the loop has said; waits up to `wait` seconds for the first message of a running group."""
        return self._mailbox.take(wait)

    @ray.method(concurrency_group="io")  # type: ignore[untyped-decorator]
    def pause(self) -> None:
        """Leave the group after the running epoch."""
        self._pause.set()

    def train(self, inputs: WorkerInputs, place: Place) -> End:
        """Train in a group to its end. Raises nothing: how it ended is the answer."""
        from mnist_trainer.raytrain.worker import train_in_group

        self._mailbox.open()
        try:
            if self._dataset is None:
                self._dataset = ray.get(inputs.dataset[0]).open()
            train_in_group(inputs.plan, self._dataset, place, Hooks(self._mailbox, self._pause, inputs.plan))
        except PausedError:
            return End(Ending.PAUSED)
        except TrainerError as error:
            return End(Ending.FAILED, error.message, error.reason.value)
        except Exception as error:  # noqa: BLE001  (whatever torch, gloo or NCCL raise)
            return _end_of(error, place.rank)
        finally:
            self._mailbox.close()
            self._pause.clear()  # not at the beginning: the driver may have asked already
        return End(Ending.FINISHED)


class Hooks:
    """The loop's hooks: messages for the driver, without waiting for it."""

    def __init__(self, mailbox: Mailbox, pause: threading.Event, plan: TrainingPlan) -> None:
        self._mailbox = mailbox
        self._pause = pause
        self._epochs = plan.recipe.epochs

    def tell(self, message: Message) -> None:
        """Say something to the driver."""
        self._mailbox.put(message)

    def started(self) -> None:
        """The first step is done."""
        import time

        self.tell(FirstStep(time.time()))

    def progressed(self, progress: Any) -> None:
        """Pass on where training stands."""
        self.tell(Progressed(**vars(progress)))

    def epoch_finished(self, record: Any, state: Any) -> None:
        """Pass on the epoch's figures and state. Raises PausedError if that was asked for and epochs are left."""
        from mnist_trainer.checkpoints.state import encode_state

        self.tell(EpochFinished(record.as_dict(), encode_state(state)))
        if self._pause.is_set() and record.epoch < self._epochs:
            raise PausedError


def host_name(env: Mapping[str, str]) -> str:
    """The name of this node: in a pod that KubeRay made, the pod's whole name (a host name is cut to 63 characters)."""
    return env.get("RAY_CLOUD_INSTANCE_ID") or socket.gethostname()


def _end_of(error: Exception, rank: int) -> End:
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        text = f"worker {rank} ran out of device memory: {error}"
        return End(Ending.FAILED, text, FailureReason.OUT_OF_MEMORY.value)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return End(Ending.BROKEN, f"{type(error).__name__}: {lines[0] if lines else ''}")
