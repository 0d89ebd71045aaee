"""The driver's side: starts Ray Train, feeds the workers, and hands out what they say."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import Future
from typing import Any

from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.raytrain.cluster import RayCluster, open_cluster
from mnist_trainer.raytrain.messages import EpochFinished, Finished, Message, WorkerFailed, WorkersLost

_RECEIVE_SECONDS = 5.0
_LOSSES_WITHOUT_PROGRESS = 3
_RESIZE_SECONDS = 10.0
_END_SECONDS = 3.0


def start_in_background(
    config: RunConfig, env: MutableMapping[str, str], mark: Callable[[str], None]
) -> Future[RayTraining]:
    """Connect to (or start) the cluster and start the workers, in a thread. `mark` is told when Ray is connected."""
    future: Future[RayTraining] = Future()

    def start() -> None:
        try:
            cluster = open_cluster(env, config.most_workers, config.gpus_per_worker, config.elastic)
            mark("rayConnected")
            training = RayTraining(config, cluster)
        except BaseException as error:  # noqa: BLE001  (whoever asks for the result gets it)
            future.set_exception(error)
        else:
            future.set_result(training)
            training.run()

    threading.Thread(target=start, name="ray-start", daemon=True).start()
    return future


class RayTraining:
    """One training on a connected cluster. Workers start at once and wait for `provide`."""

    def __init__(self, config: RunConfig, cluster: RayCluster) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from mnist_trainer.raytrain.coordinator import Coordinator

        self._ray = ray
        self._config = config
        self._cluster = cluster
        self._inbox: queue.Queue[Message | BaseException] = queue.Queue()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._coordinator: Any = ray.remote(Coordinator).options(num_cpus=0, scheduling_strategy=here).remote()
        self._dataset: Any = None
        self._ended = threading.Event()
        self._closed = threading.Event()
        self._finished = False
        threading.Thread(target=self._receive, name="receiver", daemon=True).start()

    def provide(self, dataset: Dataset, plan: TrainingPlan, state: bytes | None) -> None:
        """Give the workers their data (put once into shared memory), the plan, and the state to go on from."""
        from mnist_trainer.raytrain.coordinator import WorkerInputs

        self._dataset = self._ray.put(dataset)
        self._ray.get(self._coordinator.provide.remote(WorkerInputs([self._dataset], plan, state)))

    def messages(self) -> Iterator[Message]:
        """What the workers say, up to and including `Finished`.

        Raises TrainerError when training has failed for good: a failure that another try would not cure, or workers
        that are lost again and again without finishing an epoch in between.
        """
        losses = 0
        while True:
            item = self._inbox.get()
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, WorkerFailed):
                raise TrainerError(item.message, FailureReason(item.reason))
            if isinstance(item, EpochFinished):
                losses = 0
            if isinstance(item, WorkersLost):
                losses += 1
                if losses > _LOSSES_WITHOUT_PROGRESS:
                    raise _lost(item, losses)
            self._finished = isinstance(item, Finished)
            yield item
            if self._finished:
                return

    def run(self) -> None:
        """Run Ray Train; returns only when the training is closed.

        The kernel ends a cluster of our own together with the thread that started it (PR_SET_PDEATHSIG), so that the
        thread must stay.
        """
        self._fit()
        self._closed.wait()

    def close(self) -> None:
        """Leave the cluster, which ends what this training runs there."""
        self._ended.wait(_END_SECONDS if self._finished else 0)
        self._cluster.close()
        self._closed.set()

    def _fit(self) -> None:
        try:
            self._trainer().fit()
            # The workers' last message is on its way, unless they ended without one.
            self._ended.set()
        except Exception as error:  # noqa: BLE001  (whatever Ray raises ends the training)
            self._ended.set()
            text = str(error).strip().splitlines() or [type(error).__name__]
            self._inbox.put(TrainerError(f"Ray Train gave up: {text[-1][:500]}", FailureReason.WORKERS_LOST))

    def _trainer(self) -> Any:
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
                storage_path=str(self._cluster.scratch / "train"),
                # Without limit here: `messages` knows what Ray Train does not, whether there was progress in between.
                failure_config=FailureConfig(max_failures=-1),
                callbacks=[LossCallback(self._coordinator)],
                logging_config=LoggingConfig(log_level="WARNING"),
            ),
        )

    def _receive(self) -> None:
        try:
            while True:
                for message in self._ray.get(self._coordinator.receive.remote(_RECEIVE_SECONDS)):
                    self._inbox.put(message)
                    if isinstance(message, Finished):
                        return
        except Exception as error:  # noqa: BLE001  (the connection or the actor is gone)
            self._inbox.put(
                TrainerError(f"lost the connection to the Ray cluster: {error}", FailureReason.WORKERS_LOST)
            )


def _lost(message: WorkersLost, losses: int) -> TrainerError:
    rank, reason = next(iter(message.reasons.items()), (0, "unknown"))
    kind = FailureReason.OUT_OF_MEMORY if message.out_of_memory else FailureReason.WORKERS_LOST
    return TrainerError(f"workers were lost {losses} times without finishing an epoch; worker {rank}: {reason}", kind)
