"""A whole run, in order: check the store, load the data, train, release; everybody is told along the way.

The status is claimed first, so that a process that has been replaced ends early, and confirmed before anything is
published. SIGTERM and Ctrl-C become an exception in the main thread, so that a run ends like any other that fails.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mnist_trainer.checkpoints import CheckpointRepository, CheckpointUploader
from mnist_trainer.code.redaction import Redaction
from mnist_trainer.code.source import Code, find_code, scratch_folder
from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset, load_dataset
from mnist_trainer.errors import FailureReason, InvalidConfigError, TrainerError
from mnist_trainer.events import Event, Finished, FirstStep, WorkersReady
from mnist_trainer.kube.reporter import TrainingState, failure, make_reporter
from mnist_trainer.kube.reporter_client import KubeAccess, ReporterClient
from mnist_trainer.logs.attempt import DRIVER, AttemptLogs
from mnist_trainer.logs.files import LogHandler
from mnist_trainer.naming import RunPlace, new_run_id
from mnist_trainer.plan import TrainingPlan, former_plan, make_plan
from mnist_trainer.release import publish as releases
from mnist_trainer.release.build import RunFacts, WorkerLoss, build_files
from mnist_trainer.release.publish import ReleaseManifest
from mnist_trainer.run.console import Console
from mnist_trainer.run.network_check import check_network
from mnist_trainer.run.preflight import check_storage
from mnist_trainer.run.status import StatusUpdates
from mnist_trainer.run.stopping import LAST_WORDS, REPORT_PATIENCE, StopRequestedError, raise_on_signals
from mnist_trainer.run.storage import RunStorage
from mnist_trainer.store import ObjectStore
from mnist_trainer.tracking import Outcome, Tracker, mlflow_tracker
from mnist_trainer.workers.driver import RayTraining
from mnist_trainer.workers.lines import WorkerLines
from mnist_trainer.workers.metrics import TrainingMetrics

_CHECKPOINT_PATIENCE = 120.0
_TRACKING_PATIENCE = 15.0
_END_OF_TRAINING = 3.0
_MOST_WORKER_LOGS = 64
_LOGS_PATIENCE, _LAST_LOGS = 15.0, 0.5

logger = logging.getLogger(__name__)


class Timeline:
    """When the run reached its stages, in Unix time; the first time counts. It becomes a part of ``metrics.json``."""

    def __init__(self) -> None:
        self._marks: dict[str, float] = {}

    def mark(self, stage: str, at: float | None = None) -> None:
        """The stage is reached, now or at the time given."""
        self._marks.setdefault(stage, time.time() if at is None else at)

    def observe(self, event: Event | None) -> None:
        if isinstance(event, WorkersReady):
            self.mark("workersReady", event.at)
        elif isinstance(event, FirstStep):
            self.mark("firstStep", event.at)
        elif isinstance(event, Finished):
            self.mark("trained", event.at)

    def as_dict(self) -> dict[str, float]:
        return dict(self._marks)


@dataclass(frozen=True)
class _Start:
    """Where a run begins: with a plan, and from the state of a checkpoint of it if there is one."""

    plan: TrainingPlan
    checkpoints: CheckpointRepository
    state: bytes | None = None
    said: str = ""


class TrainingRun:
    """One run of `config`, in one process with a run id of its own."""

    def __init__(self, config: RunConfig, env: MutableMapping[str, str], console: Console, timeline: Timeline) -> None:
        self._config = config
        self._env = env
        self._console = console
        self._timeline = timeline
        self._place = RunPlace(config.output_address, config.attempt, new_run_id())
        access = KubeAccess.from_env(env)
        self._client = ReporterClient(access) if access else None
        self._storage = RunStorage(config, env, self._client)
        self._reporter = make_reporter(self._client, config.training, self._place)
        self._uploader: CheckpointUploader | None = None
        self._tracker: Tracker | None = None
        self._training: RayTraining | None = None
        self._lost_workers: list[WorkerLoss] = []
        self._interrupted = False
        self._logs = AttemptLogs(scratch_folder(env))

    def execute(self) -> dict[str, Any]:
        """Train and publish, or find that this was done before; returns the result as the status has it.

        Raises TrainerError, after it has been reported.
        """
        handler = self._keep_log()
        try:
            result = self._run()
            self._reporter.update(TrainingState.SUCCEEDED, progressPercent=100, etaSeconds=0, result=result)
            self._reporter.confirm(REPORT_PATIENCE)
        except TrainerError as error:
            self._interrupted = isinstance(error, StopRequestedError)
            self._report_end(error)
            raise
        except Exception as error:
            logger.exception("the trainer failed in a way that it should not")
            unexpected = TrainerError(f"{type(error).__name__}: {error}", FailureReason.INTERNAL_ERROR)
            self._report_end(unexpected)
            raise unexpected from error
        finally:
            self._console.close()
            logging.getLogger().removeHandler(handler)
            self._logs.close(_LAST_LOGS if self._interrupted else _LOGS_PATIENCE)
        return result

    def _keep_log(self) -> LogHandler:
        """From now on all that is shown goes to the driver's log, too, without secrets."""
        driver, redacted = self._logs.log(DRIVER), Redaction.of_environment(self._env)

        def write(text: str) -> None:
            driver.write(redacted(text))

        self._console.copy_to(write)
        handler = LogHandler(write)
        logging.getLogger().addHandler(handler)
        return handler

    def _worker_lines(self) -> WorkerLines:
        """What workers print, for logs of their own, without secrets."""
        redacted = Redaction.of_environment(self._env)
        return WorkerLines(
            lambda number, text: self._logs.log(f"worker-{number}").write(redacted(text)), _MOST_WORKER_LOGS
        )

    def close(self) -> None:
        """Leave the Ray cluster; ends one of our own."""
        if self._training is not None:
            self._training.close(0 if self._interrupted else _END_OF_TRAINING)

    def _run(self) -> dict[str, Any]:
        config, use = self._config, self._storage.use
        self._training = training = RayTraining(config, self._env, self._timeline.mark, self._worker_lines())
        self._check_storage()
        self._logs.start(use, self._place.logs)
        existing = use(lambda store: releases.find_release(store, config.output_address))
        code = use(self._find_code)
        self._timeline.mark("storeChecked")
        # A network of the user's own is tried first, and for that the data must be known.
        if existing is None and code is None:
            training.begin(data_is_good=False)
        self._reporter.update(TrainingState.LOADING_DATA, epochs=config.epochs)
        dataset = use(lambda store: load_dataset(store, config.dataset_address))
        self._timeline.mark("dataLoaded")
        if existing is None and code is None:
            training.begin(data_is_good=True)
        plan = make_plan(config, dataset, code.digest if code else "")
        self._console.line(
            f"{len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images, "
            f"{dataset.classes} classes, from {config.dataset}"
        )
        former = former_plan(plan, config, dataset)
        if existing is not None:
            return self._already_released(existing, plan, former)
        if code is not None:
            self._try_network(plan, code)
            training.begin(data_is_good=True)
        start = self._find_start(plan, former)
        finished = self._train(training, dataset, start, code)
        return self._release(dataset, start.plan, finished)

    def _find_code(self, store: ObjectStore) -> Code | None:
        """The files of a network of the user's own; None for one of ours."""
        if self._config.code_module is None:
            return None
        return find_code(store, self._config.code_address, self._config.code_sha256, self._env)

    def _try_network(self, plan: TrainingPlan, code: Code) -> None:
        """Before any worker is asked for: what is wrong with the user's network ends the run here."""
        redacted = Redaction.of_environment(self._env)
        parameters = check_network(plan.spec, code.place(self._env), redacted, self._console.line)
        self._timeline.mark("networkTried")
        self._console.line(f"{plan.spec.name} from {code.where}: {parameters:,} parameters")

    def _check_storage(self) -> None:
        """Before any worker is asked for; the first problem ends the run, others are said with it."""
        config = self._config
        checks = self._storage.use(lambda store: check_storage(store, config.dataset_address, config.output_address))
        errors = [check.error for check in checks if check.error is not None]
        for error in errors[1:]:
            self._console.line(f"error: {error.message} ({error.reason.value})")
        if errors:
            raise errors[0]

    def _find_start(self, plan: TrainingPlan, former: TrainingPlan | None) -> _Start:
        """The newest checkpoint of this plan, else of the former one; else the beginning of this one."""
        starts = [self._start_of(each) for each in (plan, former) if each is not None]
        start = next((each for each in starts if each.state is not None), starts[0])
        if start.state is not None:
            self._console.line(f"going on after {start.said}")
        return start

    def _start_of(self, plan: TrainingPlan) -> _Start:
        checkpoints = self._storage.use(lambda store: CheckpointRepository(store, self._place, plan.lineage))
        newest = checkpoints.newest()
        if newest is None:
            return _Start(plan, checkpoints)
        return _Start(plan, checkpoints, newest[1], f"epoch {newest[0].epoch} of run {newest[0].run_id}")

    def _train(self, training: RayTraining, dataset: Dataset, start: _Start, code: Code | None) -> Finished:
        plan, checkpoints = start.plan, start.checkpoints
        training.provide(dataset, plan, start.state, code.packed if code else None)
        raise_on_signals()  # again: Ray has put its own handlers in the place of ours
        epochs, images = plan.recipe.epochs, len(dataset.train_labels)
        status = StatusUpdates(self._reporter, epochs, images, self._config.elastic)
        metrics = self._metrics(plan, images)
        self._lost_workers = status.lost_workers
        self._uploader = CheckpointUploader(_timed(checkpoints.save, metrics.checkpoint_saved))
        self._tracker = mlflow_tracker(self._env, self._config, plan, self._place)
        return training.follow(
            [
                status.observe,
                metrics.observe,
                self._timeline.observe,
                partial(self._console.observe, epochs=epochs),
                self._uploader.observe,
                *([self._tracker.observe] if self._tracker else []),
            ]
        )

    def _metrics(self, plan: TrainingPlan, images: int) -> TrainingMetrics:
        identity = self._config.training
        namespace, name = (identity.namespace, identity.name) if identity else ("", self._config.name)
        return TrainingMetrics(namespace, name, plan.recipe.epochs, images)

    def _release(self, dataset: Dataset, plan: TrainingPlan, finished: Finished) -> dict[str, Any]:
        self._reporter.update(TrainingState.PUBLISHING, accuracy=finished.accuracy, progressPercent=100, etaSeconds=0)
        facts = RunFacts(self._config, plan, self._place, self._timeline.as_dict(), self._lost_workers)
        files, manifest = build_files(facts, dataset, finished)
        self._storage.use(lambda store: releases.stage(store, self._place, files, manifest))
        # Only the process whose reports the API accepts may touch what users see.
        self._reporter.confirm(REPORT_PATIENCE)
        self._storage.use(lambda store: releases.publish(store, self._place, manifest))
        if self._uploader is not None:
            self._uploader.close(_CHECKPOINT_PATIENCE)
        self._console.line(f"accuracy {100 * finished.accuracy:.2f} % after {len(finished.history)} epochs")
        result = releases.as_result(self._place.output, manifest)
        if self._tracker is not None:
            kept = {name: str(result[name]) for name in ("model", "sha256", "report")}
            self._tracker.end(Outcome.SUCCEEDED, kept, _TRACKING_PATIENCE)
        return result

    def _already_released(
        self, manifest: ReleaseManifest, plan: TrainingPlan, former: TrainingPlan | None
    ) -> dict[str, Any]:
        if manifest.lineage not in [each.lineage for each in (plan, former) if each]:
            raise InvalidConfigError(
                f"{self._place.output} already holds a release of another configuration or dataset "
                f"(run {manifest.run_id}): choose another --output"
            )
        self._console.line(f"found the release of run {manifest.run_id}: nothing to train")
        self._reporter.update(TrainingState.PUBLISHING, accuracy=manifest.accuracy, progressPercent=100)
        return releases.as_result(self._place.output, manifest)

    def _report_end(self, error: TrainerError) -> None:
        """Report how it ended, without holding up the end for long. A replaced process keeps silent."""
        interrupted = self._interrupted
        self._logs.log(DRIVER).write(f"error: {error.message} ({error.reason.value})\n")
        if error.reason is FailureReason.REPLACED:
            return
        state = TrainingState.INTERRUPTED if interrupted else TrainingState.FAILED
        self._reporter.update(state, failure=failure(error))
        if self._tracker is not None:
            outcome = Outcome.INTERRUPTED if interrupted else Outcome.FAILED
            self._tracker.end(outcome, {"failure": error.reason.value}, 0.3 if interrupted else _TRACKING_PATIENCE)
        if self._uploader is not None:
            self._uploader.close(LAST_WORDS if interrupted else _CHECKPOINT_PATIENCE)
        try:
            self._reporter.confirm(LAST_WORDS if interrupted else REPORT_PATIENCE)
        except TrainerError as problem:
            logger.warning("%s", problem.message)


def _timed(
    save: Callable[[int, float, bytes], None], told: Callable[[float], None]
) -> Callable[[int, float, bytes], None]:
    """`save`, and how long it took if it did not fail."""

    def timed(epoch: int, accuracy: float, state: bytes) -> None:
        began = time.perf_counter()
        save(epoch, accuracy, state)
        told(time.perf_counter() - began)

    return timed
