"""The driver's side: starts Ray Train, feeds the workers, and hands out what they say."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import Future
from typing import Any

from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.raytrain.cluster import RayCluster, open_cluster, prepare
from mnist_trainer.raytrain.descendants import kill_ray_workers
from mnist_trainer.raytrain.messages import EpochFinished, Finished, Message, WorkerFailed, WorkersLost

_RECEIVE_SECONDS = 5.0
_SILENCE_SECONDS = 1.0
_LOSSES_WITHOUT_PROGRESS = 3
_RESIZE_SECONDS = 10.0
_END_SECONDS = 3.0
_CLOSE_SECONDS = 20.0


class RayTraining:
    """One training on a Ray cluster. A thread of its own imports Ray, connects, runs Ray Train, and disconnects.

    It is one thread because the kernel ends a cluster of our own together with the thread that started it
    (PR_SET_PDEATHSIG), and because Ray does not take it well when another thread disconnects in the middle of a call.
    """

    def __init__(self, config: RunConfig, env: MutableMapping[str, str], mark: Callable[[str], None]) -> None:
        self._config = config
        self._env = env
        self._mark = mark
        self._opened: Future[RayCluster] = Future()
        self._inbox: queue.Queue[Message | TrainerError] = queue.Queue()
        self._decided = threading.Event()
        self._wanted = False
        self._fitted = threading.Event()
        self._closing = threading.Event()
        self._coordinator: Any = None
        self._dataset: Any = None
        self._thread = threading.Thread(target=self._run, name="ray-train", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """The data is good: connect, and let the workers start. They wait for `provide`."""
        self._wanted = True
        self._decided.set()

    def provide(self, dataset: Dataset, plan: TrainingPlan, state: bytes | None) -> None:
        """Give the workers their data (put once into shared memory), the plan, and the state to go on from.

        Raises TrainerError if there is no cluster to train on.
        """
        self._opened.result()
        import ray

        from mnist_trainer.raytrain.coordinator import WorkerInputs

        self._dataset = ray.put(dataset)
        ray.get(self._coordinator.provide.remote(WorkerInputs([self._dataset], plan, state)))
        threading.Thread(target=self._receive, name="receiver", daemon=True).start()

    def messages(self) -> Iterator[Message | None]:
        """What the workers say, up to and including `Finished`; None after every second of silence.

        Raises TrainerError when training has failed for good: a failure that another try would not cure, or workers
        that are lost again and again without finishing an epoch in between.
        """
        losses = 0
        while True:
            try:
                item = self._inbox.get(timeout=_SILENCE_SECONDS)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, TrainerError):
                raise item
            if isinstance(item, WorkerFailed):
                raise TrainerError(item.message, FailureReason(item.reason))
            if isinstance(item, EpochFinished):
                losses = 0
            if isinstance(item, WorkersLost):
                losses += 1
                if losses > _LOSSES_WITHOUT_PROGRESS:
                    raise _lost(item, losses)
            yield item
            if isinstance(item, Finished):
                return

    def close(self, patience: float = _END_SECONDS) -> None:
        """Leave the cluster; ends one of our own. `patience` is for a Ray Train that has yet to notice its end."""
        self._decided.set()
        if self._wanted and not self._fitted.wait(patience):
            self._close_in_the_middle()
            return
        self._closing.set()
        self._thread.join(_CLOSE_SECONDS)

    def _close_in_the_middle(self) -> None:
        """Leave without disconnecting: Ray ends the process, with a status of its own, when a thread still calls it.

        The end of this process ends what runs for it on a cluster of others, and a cluster of our own altogether.
        """
        if self._opened.done() and self._opened.exception() is None and self._opened.result().own:
            kill_ray_workers()
            shutil.rmtree(self._opened.result().scratch, ignore_errors=True)

    def _run(self) -> None:
        config = self._config
        try:
            scratch = prepare(self._env, config.elastic)
            self._decided.wait()
            if not self._wanted:
                return
            cluster = open_cluster(scratch, self._env.get("RAY_ADDRESS"), config.most_workers, config.gpus_per_worker)
            self._mark("rayConnected")
            self._coordinator = _start_coordinator()
            trainer = self._trainer(cluster)
        except Exception as error:  # noqa: BLE001  (whatever Ray raises; the main thread gets it)
            self._fitted.set()
            self._opened.set_exception(_unavailable(error))
            return
        self._opened.set_result(cluster)
        self._fit(trainer)
        self._closing.wait()
        cluster.close()

    def _fit(self, trainer: Any) -> None:
        try:
            trainer.fit()
        except Exception as error:  # noqa: BLE001  (whatever Ray raises ends the training)
            text = str(error).strip().splitlines() or [type(error).__name__]
            self._inbox.put(TrainerError(f"Ray Train gave up: {text[-1][:500]}", FailureReason.WORKERS_LOST))
        finally:
            self._fitted.set()

    def _trainer(self, cluster: RayCluster) -> Any:
        from ray.train import FailureConfig, LoggingConfig, ScalingConfig
        from ray.train import RunConfig as RayRunConfig
        from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

        from mnist_trainer.raytrain.losses import LossCallback
        from mnist_trainer.raytrain.worker import train_worker

        config = self._config
        workers = (config.least_workers, config.most_workers) if config.elastic else config.workers
        return DataParallelTrainer(
            train_worker,
            train_loop_config={"coordinator": self._coordinator},
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu=config.gpus_per_worker > 0,
                resources_per_worker={"CPU": 1, **({"GPU": config.gpus_per_worker} if config.gpus_per_worker else {})},
                elastic_resize_monitor_interval_s=_RESIZE_SECONDS,
            ),
            run_config=RayRunConfig(
                name="training",
                storage_path=str(cluster.scratch / "train"),
                # Without limit here: `messages` knows what Ray Train does not, whether there was progress in between.
                failure_config=FailureConfig(max_failures=-1),
                callbacks=[LossCallback(self._coordinator)],
                logging_config=LoggingConfig(log_level="WARNING"),
            ),
        )

    def _receive(self) -> None:
        import ray

        try:
            while not self._closing.is_set():
                for message in ray.get(self._coordinator.receive.remote(_RECEIVE_SECONDS)):
                    self._inbox.put(message)
                    if isinstance(message, Finished):
                        return
        except Exception as error:  # noqa: BLE001  (the connection or the actor is gone)
            self._inbox.put(
                TrainerError(f"lost the connection to the Ray cluster: {error}", FailureReason.WORKERS_LOST)
            )


def _start_coordinator() -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from mnist_trainer.raytrain.coordinator import Coordinator

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Coordinator).options(num_cpus=0, scheduling_strategy=here).remote()


def _unavailable(error: Exception) -> TrainerError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return TrainerError(f"no Ray cluster to train on: {lines[0][:500]}", FailureReason.WORKERS_LOST)


def _lost(message: WorkersLost, losses: int) -> TrainerError:
    rank, reason = next(iter(message.reasons.items()), (0, "unknown"))
    kind = FailureReason.OUT_OF_MEMORY if message.out_of_memory else FailureReason.WORKERS_LOST
    return TrainerError(f"workers were lost {losses} times without finishing an epoch; worker {rank}: {reason}", kind)
