"""Other people's tools that follow a run: MLflow, where the environment names a tracking server (MLFLOW_TRACKING_URI).

A tracker hands figures over from a thread of its own. It never holds a training up, and never fails it.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import re
import threading
from collections.abc import Callable, Mapping, MutableMapping
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from mnist_trainer.config import RunConfig
from mnist_trainer.events import EpochFinished, EpochRecord, Event
from mnist_trainer.naming import RunPlace
from mnist_trainer.plan import TrainingPlan

# MLflow's own patience is several minutes for each request; its usage reports are none of our business.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_METRICS = ("train_loss", "test_loss", "accuracy", "learning_rate", "images_per_second", "train_seconds", "workers")
_OUTPUT_TAG = "mnist.output"
_VALUE_LENGTH = 500


logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


_STATUS = {Outcome.SUCCEEDED: "FINISHED", Outcome.FAILED: "FAILED", Outcome.INTERRUPTED: "KILLED"}


def mlflow_tracker(
    env: MutableMapping[str, str], config: RunConfig, plan: TrainingPlan, place: RunPlace
) -> Tracker | None:
    """A tracker, if MLFLOW_TRACKING_URI is set and MLflow is installed; says so in the log if only the first is."""
    where = env.get("MLFLOW_TRACKING_URI", "").strip()
    if not where:
        return None
    if importlib.util.find_spec("mlflow") is None:
        logger.warning(
            "MLFLOW_TRACKING_URI is set, but MLflow is not installed, so nothing is tracked: "
            "add mlflow-skinny to the image, or unset it"
        )
        return None
    for name, value in _DEFAULTS.items():
        env.setdefault(name, value)
    shown = f"MLflow at {without_credentials(where)}"
    return Tracker(lambda: MlflowRun(where, dict(env), config, plan, place, shown), shown)


class MlflowRun:
    """One run of an experiment. A training that is taken up again goes on in the run that it began with."""

    def __init__(
        self,
        where: str,
        env: Mapping[str, str],
        config: RunConfig,
        plan: TrainingPlan,
        place: RunPlace,
        shown: str,
    ) -> None:
        # Imported here: more than a second, spent beside the training's first epoch.
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=where)
        self._env = env
        self._config = config
        self._plan = plan
        self._place = place
        self._shown = shown
        self._id = ""

    def start(self) -> None:
        """Find the run, or make it with the configuration as its parameters."""
        tags = {"mnist.runId": self._place.run_id, "mnist.attempt": str(self._place.attempt)}
        earlier = self._env.get("MLFLOW_RUN_ID") or self._earlier()
        if earlier:
            self._id = earlier
            self._client.update_run(earlier, status="RUNNING")
        else:
            name = self._env.get("MLFLOW_RUN_NAME") or self._config.name
            output = str(self._place.output)
            self._id = self._client.create_run(
                self._experiment(), run_name=name, tags={_OUTPUT_TAG: output}
            ).info.run_id
            self._client.log_batch(self._id, params=self._parameters())
        for tag, value in tags.items():
            self._client.set_tag(self._id, tag, value)
        logger.info("%s: run %s", self._shown, self._id)

    def epoch(self, record: EpochRecord) -> None:
        """Log an epoch's figures, the epoch as their step."""
        from mlflow.entities import Metric

        at = int(record.finished_at * 1000)
        metrics = [Metric(name, float(getattr(record, name)), at, record.epoch) for name in _METRICS]
        self._client.log_batch(self._id, metrics=metrics)

    def end(self, outcome: Outcome, facts: dict[str, str]) -> None:
        """Close the run; `facts` become tags."""
        for name, value in facts.items():
            self._client.set_tag(self._id, f"mnist.{name}", value)
        self._client.set_terminated(self._id, status=_STATUS[outcome])

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        chosen = self._env.get("MLFLOW_EXPERIMENT_ID")
        if chosen:
            return chosen
        name = self._env.get("MLFLOW_EXPERIMENT_NAME") or "mnist"
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:
                # Another training may have made it in the meantime.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _earlier(self) -> str | None:
        """The run of an earlier process of this training: outputs are never shared."""
        output = str(self._place.output)
        if "'" in output:
            return None  # cannot be quoted in MLflow's query language
        found = self._client.search_runs([self._experiment()], f"tags.`{_OUTPUT_TAG}` = '{output}'", max_results=1)
        return str(found[0].info.run_id) if found else None

    def _parameters(self) -> list[Any]:
        from mlflow.entities import Param

        config = self._config.model_dump(mode="json", exclude={"training", "storage_endpoint", "storage_region"})
        chosen = {**config, **{f"recipe.{name}": value for name, value in self._plan.as_dict()["recipe"].items()}}
        return [Param(name, str(value)[:_VALUE_LENGTH]) for name, value in chosen.items()]


class TrackingClient(Protocol):
    """A tracking service. Every method may block and may raise."""

    def start(self) -> None:
        """Begin the run, or go on with the one that an earlier process began."""

    def epoch(self, record: EpochRecord) -> None:
        """Log the figures of a finished epoch."""

    def end(self, outcome: Outcome, facts: dict[str, str]) -> None:
        """Close the run, with what is to be kept about it."""


class Tracker:
    """Runs the client's methods one after the other. After the first that fails the client is left alone."""

    def __init__(self, connect: Callable[[], TrackingClient], name: str) -> None:
        """Nothing is imported or asked before the first event; `connect` runs on the thread, too."""
        self._connect = connect
        self._name = name
        self._todo: queue.SimpleQueue[Callable[[TrackingClient], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def observe(self, event: Event | None) -> None:
        """Note what matters to the service; returns at once."""
        if event is not None:
            self._begin()
        if isinstance(event, EpochFinished):
            self._todo.put(partial(_log, record=event.record))

    def end(self, outcome: Outcome, facts: dict[str, str], patience: float) -> None:
        """Close the run, and wait up to `patience` seconds for the service to take what is left. Safe to call twice."""
        if self._thread is None:
            return
        self._todo.put(lambda client: client.end(outcome, facts))
        self._todo.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            logger.warning("%s has not taken everything after %g s: the run is incomplete there", self._name, patience)
        self._thread = None

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            client = self._connect()
            client.start()
            while (action := self._todo.get()) is not None:
                action(client)
        except Exception as error:  # noqa: BLE001  (whatever such a service raises, the training goes on)
            text = str(error).strip().splitlines() or [type(error).__name__]
            logger.warning("the run is not tracked any more in %s: %s", self._name, without_credentials(text[0])[:300])


def _log(client: TrackingClient, record: EpochRecord) -> None:
    client.epoch(record)


def without_credentials(text: str) -> str:
    """The text, with no `user:password@` in its addresses."""
    return re.sub(r"(?<=://)[^/\s@]+@", "", text)
