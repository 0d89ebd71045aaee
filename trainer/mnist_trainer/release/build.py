"""Turn a finished training into the bytes of its release."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.naming import METRICS_FILE, MODEL_FILE, REPORT_FILE, RunPlace
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.raytrain.messages import Finished
from mnist_trainer.release.metrics import Predictions, per_class, worst_mistakes
from mnist_trainer.release.model_file import encode_model
from mnist_trainer.release.report import render_report
from mnist_trainer.version import package_version


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release, in memory."""

    name: str
    data: bytes
    content_type: str


class ManifestFile(BaseModel):
    """A file as the manifest names it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    name: str
    size: int
    sha256: str
    content_type: str


class ReleaseManifest(BaseModel):
    """``MANIFEST.json``: written last, so that a release without it does not exist."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    version: int = 1
    name: str
    lineage: str
    attempt: int
    run_id: str
    accuracy: float
    train_seconds: float
    created_at: datetime
    dataset: dict[str, Any]
    config: dict[str, Any]
    versions: dict[str, str]
    files: list[ManifestFile]

    def file(self, name: str) -> ManifestFile | None:
        """The entry of a file."""
        return next((entry for entry in self.files if entry.name == name), None)


@dataclass(frozen=True)
class RunFacts:
    """What a release says about the run that made it."""

    config: RunConfig
    plan: TrainingPlan
    place: RunPlace
    timeline: dict[str, float]


def build_files(facts: RunFacts, dataset: Dataset, finished: Finished) -> tuple[list[ReleaseFile], ReleaseManifest]:
    """Model, metrics and report, and the manifest that names them."""
    metrics = build_metrics(facts, dataset, finished)
    release = [
        ReleaseFile(
            MODEL_FILE, encode_model(finished.weights, facts.plan, finished.accuracy), "application/octet-stream"
        ),
        ReleaseFile(METRICS_FILE, json.dumps(metrics, indent=2).encode(), "application/json"),
        ReleaseFile(REPORT_FILE, render_report(metrics, dataset.test_images).encode(), "text/html; charset=utf-8"),
    ]
    manifest = ReleaseManifest(
        name=facts.config.name,
        lineage=facts.plan.lineage,
        attempt=facts.place.attempt,
        run_id=facts.place.run_id,
        accuracy=finished.accuracy,
        train_seconds=metrics["trainSeconds"],
        created_at=datetime.now(UTC),
        dataset=metrics["dataset"],
        config=metrics["config"],
        versions=metrics["versions"],
        files=[
            ManifestFile(
                name=file.name,
                size=len(file.data),
                sha256=hashlib.sha256(file.data).hexdigest(),
                content_type=file.content_type,
            )
            for file in release
        ],
    )
    return release, manifest


def build_metrics(facts: RunFacts, dataset: Dataset, finished: Finished) -> dict[str, Any]:
    """The content of ``metrics.json``."""
    predictions = Predictions(
        dataset.test_labels, finished.predictions, finished.confidences, finished.true_confidences
    )
    confusion = predictions.confusion(facts.plan.spec.classes)
    plan = facts.plan.as_dict()
    seconds = sum(record["train_seconds"] for record in finished.history)
    trained = len(dataset.train_labels) * len(finished.history)
    return {
        "version": 1,
        "name": facts.config.name,
        "runId": facts.place.run_id,
        "attempt": facts.place.attempt,
        "lineage": facts.plan.lineage,
        "accuracy": finished.accuracy,
        "testLoss": finished.loss,
        "trainSeconds": seconds + sum(record["evaluation_seconds"] for record in finished.history),
        "imagesPerSecond": trained / seconds if seconds else 0.0,
        "model": plan["spec"],
        "normalisation": plan["normalisation"],
        "recipe": plan["recipe"],
        "epochs": finished.history,
        "perClass": per_class(confusion),
        "confusionMatrix": confusion.tolist(),
        "worstMistakes": worst_mistakes(predictions),
        "dataset": {
            "address": facts.config.dataset,
            "digest": dataset.digest,
            "trainImages": len(dataset.train_labels),
            "testImages": len(dataset.test_labels),
            "classes": dataset.classes,
        },
        "config": facts.config.model_dump(mode="json", exclude={"training", "storage_endpoint", "storage_region"}),
        "device": finished.device,
        "versions": {"mnist-training": package_version(), **finished.versions},
        "timeline": {
            name: datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            for name, at in sorted(facts.timeline.items(), key=lambda item: item[1])
        },
    }
