"""The actor in which one worker trains. Importing it does not import torch; `prepare` does.

`train` is given the worker's place in a group and returns how its part in it ended. Meanwhile the driver asks for the
events of worker 0's loop, which wait in a mailbox: the loop never waits for the driver.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

import ray

from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.events import EpochFinished, Event, Progress
from mnist_trainer.workers.protocol import End, Ending, Place, WorkerInputs


class PausedError(Exception):
    """Leaves the loop between two epochs."""


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
        import mnist_trainer.workers.worker  # noqa: F401

        return host_name(os.environ)

    @ray.method(concurrency_group="io")  # type: ignore[untyped-decorator]  # ray has no types
    def meeting_address(self) -> str:
        """Where a group with this worker as its first can meet: a free port of this node."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"tcp://{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    @ray.method(concurrency_group="io")  # type: ignore[untyped-decorator]
    def events(self, wait: float) -> list[Event]:
        """What the loop has said; waits up to `wait` seconds for the first event of a running group."""
        return self._mailbox.take(wait)

    @ray.method(concurrency_group="io")  # type: ignore[untyped-decorator]
    def pause(self) -> None:
        """Leave the group after the running epoch."""
        self._pause.set()

    def train(self, inputs: WorkerInputs, place: Place) -> End:
        """Train in a group to its end. Raises nothing: how it ended is the answer."""
        from mnist_trainer.workers.worker import train_in_group

        def publish(event: Event) -> None:
            self._mailbox.put(event)
            epochs = inputs.plan.recipe.epochs
            if isinstance(event, EpochFinished) and self._pause.is_set() and event.record.epoch < epochs:
                raise PausedError

        self._mailbox.open()
        try:
            if self._dataset is None:
                for code in inputs.code:
                    _add_code(ray.get(code))
                self._dataset = ray.get(inputs.dataset[0]).open()
            train_in_group(inputs.plan, self._dataset, place, publish)
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


def _add_code(packed: bytes) -> None:
    """Let this process import the user's files. Few trainings have some, so nothing is imported for them before."""
    from mnist_trainer.code.network import add_to_path
    from mnist_trainer.code.source import Code

    add_to_path(Code("the user's code", packed).place(os.environ))


class Mailbox:
    """Events in order, from the thread that trains to the driver that asks for them.

    Of several reports of progress in a row only the last is kept.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._events: list[Event] = []
        self._open = False

    def open(self) -> None:
        """Begin anew: what is left from before is dropped."""
        with self._condition:
            self._events, self._open = [], True

    def close(self) -> None:
        """There will be no more: whoever waits gets what there is."""
        with self._condition:
            self._open = False
            self._condition.notify_all()

    def put(self, event: Event) -> None:
        with self._condition:
            if isinstance(event, Progress) and self._events and isinstance(self._events[-1], Progress):
                self._events.pop()
            self._events.append(event)
            self._condition.notify_all()

    def take(self, wait: float) -> list[Event]:
        """All events so far; waits up to `wait` seconds for the first, unless closed."""
        with self._condition:
            self._condition.wait_for(lambda: bool(self._events) or not self._open, wait)
            taken, self._events = self._events, []
            return taken


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
