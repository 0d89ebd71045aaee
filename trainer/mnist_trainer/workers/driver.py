"""The driver's side: a thread talks to Ray; the run gives it the data, and hands on what the workers say.

Events come from the Ray thread through one queue to `follow`, which calls the run's subscribers in the thread that
calls it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial

from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.events import (
    EpochFinished,
    Event,
    Finished,
    Subscriber,
    WorkerFailed,
    WorkersLost,
    WorkersNotStarted,
)
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.workers.cluster import RayCluster, open_cluster, prepare
from mnist_trainer.workers.lines import WorkerLines

_SILENCE_SECONDS = 1.0
_LOSSES_WITHOUT_PROGRESS = 3
_END_SECONDS = 3.0
_CLOSE_SECONDS = 20.0


@dataclass(frozen=True)
class _Work:
    dataset: Dataset
    plan: TrainingPlan
    state: bytes | None
    code: bytes | None


class RayTraining:
    """One training on a Ray cluster. A thread of its own imports Ray, connects, starts workers, and disconnects.

    It is one thread because the kernel ends a cluster of our own together with the thread that started it
    (PR_SET_PDEATHSIG), and because Ray does not take it well when another thread disconnects in the middle of a call.

    On a cluster of others the workers start before the data is there, so that they load while it does. A cluster of our
    own takes longer and is started only when the data is known to be good.
    """

    def __init__(
        self,
        config: RunConfig,
        env: MutableMapping[str, str],
        mark: Callable[[str], None],
        lines: WorkerLines | None = None,
    ) -> None:
        self._config = config
        self._env = env
        self._mark = mark
        self._lines = lines
        self._events: queue.Queue[Event | TrainerError] = queue.Queue()
        self._work: queue.Queue[_Work | None] = queue.Queue()
        self._decided = threading.Event()
        self._closing = threading.Event()
        self._opening = False
        self._opened = threading.Event()
        self._ended = threading.Event()
        self._cluster: RayCluster | None = None
        self._thread = threading.Thread(target=self._run, name="ray", daemon=True)
        self._thread.start()

    def begin(self, data_is_good: bool) -> None:
        """There is something to train: connect and start workers."""
        if data_is_good or self._env.get("RAY_ADDRESS"):
            self._decided.set()

    def provide(self, dataset: Dataset, plan: TrainingPlan, state: bytes | None, code: bytes | None = None) -> None:
        """Give the workers their data (put once into shared memory), the plan, and the state to go on from.

        `code` is a zip file of the user's own, if there is one.
        Returns when the cluster is connected, or known not to be there (`follow` tells).
        """
        self._opened.wait()
        self._work.put(_Work(dataset, plan, state, code))

    def follow(self, subscribers: Sequence[Subscriber]) -> Finished:
        """Call the subscribers with every event until training has finished (see `hand_on`)."""
        return hand_on(self._events, subscribers)

    def close(self, patience: float = _END_SECONDS) -> None:
        """Leave the cluster; ends one of our own. `patience` is how long to wait for a training in progress to stop."""
        self._closing.set()
        self._decided.set()
        self._work.put(None)
        if self._opening and not self._ended.wait(patience):
            self._close_in_the_middle()
        else:
            self._thread.join(_CLOSE_SECONDS)

    def _close_in_the_middle(self) -> None:
        """Leave without disconnecting: Ray ends the process, with a status of its own, when a thread still calls it.

        The end of this process ends what runs for it on a cluster of others, and a cluster of our own altogether.
        """
        if self._cluster is not None:
            self._cluster.abandon()

    def _run(self) -> None:
        try:
            scratch = prepare(self._env)
            self._mark("rayImported")
            self._decided.wait()
            if self._closing.is_set():
                return
            self._opening = True
            _, max_workers = self._config.worker_bounds
            address, gpus = self._env.get("RAY_ADDRESS"), self._config.gpus_per_worker
            self._cluster = open_cluster(scratch, address, max_workers, gpus, self._lines)
            self._mark("rayConnected")
        except Exception as error:  # noqa: BLE001  (whatever Ray raises; the main thread gets it)
            self._events.put(_unavailable(error))
            self._ended.set()
            self._opened.set()
            return
        self._opened.set()
        try:
            self._train()
        except Exception as error:  # noqa: BLE001  (the connection is gone)
            text = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            self._events.put(
                TrainerError(f"lost the connection to the Ray cluster: {text[:500]}", FailureReason.WORKERS_LOST)
            )
        self._ended.set()
        self._closing.wait()
        self._cluster.close()

    def _train(self) -> None:
        import ray

        from mnist_trainer.workers.pool import WorkerPool
        from mnist_trainer.workers.protocol import WorkerInputs
        from mnist_trainer.workers.supervisor import Supervisor

        min_workers, max_workers = self._config.worker_bounds
        pool = WorkerPool(max_workers, self._config.gpus_per_worker)
        pool.fill()
        self._mark("workersAsked")
        work = self._work.get()
        if work is None:
            return
        dataset = ray.put(work.dataset.portable())
        self._mark("dataShared")
        started = partial(self._mark, "workersStarted")
        supervisor = Supervisor(pool, min_workers, self._events.put, started, self._closing)
        code = [] if work.code is None else [ray.put(work.code)]
        supervisor.run(WorkerInputs([dataset], work.plan, code), work.state, self._config.workers)


def hand_on(events: queue.Queue[Event | TrainerError], subscribers: Sequence[Subscriber]) -> Finished:
    """Call each subscriber with every event, and with None after every second of silence; returns the last event.

    Raises what a subscriber raises, and TrainerError when training has failed for good: no cluster to train on, a
    failure that another try would not cure, or workers that are lost again and again without finishing an epoch in
    between.
    """
    losses = 0
    while True:
        event = _next_event(events)
        if isinstance(event, WorkerFailed):
            raise TrainerError(event.message, FailureReason(event.reason))
        for subscriber in subscribers:
            subscriber(event)
        if isinstance(event, Finished):
            return event
        if isinstance(event, EpochFinished):
            losses = 0
        if isinstance(event, (WorkersLost, WorkersNotStarted)):
            losses += 1
            if losses > _LOSSES_WITHOUT_PROGRESS:
                raise _lost(event, losses)


def _next_event(events: queue.Queue[Event | TrainerError]) -> Event | None:
    try:
        event = events.get(timeout=_SILENCE_SECONDS)
    except queue.Empty:
        return None
    if isinstance(event, TrainerError):
        raise event
    return event


def _unavailable(error: Exception) -> TrainerError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return TrainerError(f"no Ray cluster to train on: {lines[0][:500]}", FailureReason.WORKERS_LOST)


def _lost(event: WorkersLost | WorkersNotStarted, losses: int) -> TrainerError:
    kind = FailureReason.OUT_OF_MEMORY if event.out_of_memory else FailureReason.WORKERS_LOST
    return TrainerError(f"workers were lost {losses} times without finishing an epoch; {event}", kind)
