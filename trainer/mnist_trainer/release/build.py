"""Turn a finished training into the bytes of its release."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.events import Finished
from mnist_trainer.naming import EVENTS_FILE, METRICS_FILE, MODEL_FILE, ONNX_FILE, REPORT_FILE, RunPlace
from mnist_trainer.plan import TrainingPlan
from mnist_trainer.release.events_file import encode_events
from mnist_trainer.release.files import Predictions, encode_json, encode_model, finite, per_class, worst_mistakes
from mnist_trainer.release.publish import ManifestFile, ReleaseFile, ReleaseManifest
from mnist_trainer.release.report import ReportContext, render_report
from mnist_trainer.version import package_version

_OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class WorkerLoss:
    """A worker that was lost while `epoch` (from 1) was trained; `at` is Unix time, `name` its pod's or host's."""

    name: str
    epoch: int
    at: float
    reason: str


@dataclass(frozen=True)
class RunFacts:
    """What a release says about the run that made it."""

    config: RunConfig
    plan: TrainingPlan
    place: RunPlace
    timeline: dict[str, float]
    lost_workers: Sequence[WorkerLoss] = ()


def build_files(facts: RunFacts, dataset: Dataset, finished: Finished) -> tuple[list[ReleaseFile], ReleaseManifest]:
    """Models, metrics, report and TensorBoard's events, and the manifest that names them."""
    metrics = finite(build_metrics(facts, dataset, finished))
    model = encode_model(finished.weights, facts.plan, finished.accuracy)
    release = [
        ReleaseFile(MODEL_FILE, model, _OCTETS),
        *([ReleaseFile(ONNX_FILE, finished.onnx, _OCTETS)] if finished.onnx else []),
        ReleaseFile(METRICS_FILE, encode_json(metrics), "application/json"),
        ReleaseFile(EVENTS_FILE, encode_events(metrics, dataset.test_images), _OCTETS),
    ]
    entries = [_entry(file) for file in release]
    provenance = ReportContext(str(facts.place.output), {entry.name: entry.sha256 for entry in entries})
    page = render_report(metrics, dataset.test_images, provenance).encode()
    report = ReleaseFile(REPORT_FILE, page, "text/html; charset=utf-8")
    manifest = ReleaseManifest(
        name=facts.config.name,
        lineage=facts.plan.lineage,
        attempt=facts.place.attempt,
        run_id=facts.place.run_id,
        accuracy=finished.accuracy,
        epochs=len(finished.history),
        train_seconds=metrics["trainSeconds"],
        created_at=datetime.now(UTC),
        dataset=metrics["dataset"],
        config=metrics["config"],
        versions=metrics["versions"],
        files=[*entries, _entry(report)],
    )
    return [*release, report], manifest


def _entry(file: ReleaseFile) -> ManifestFile:
    digest = hashlib.sha256(file.data).hexdigest()
    return ManifestFile(name=file.name, size=len(file.data), sha256=digest, content_type=file.content_type)


def build_metrics(facts: RunFacts, dataset: Dataset, finished: Finished) -> dict[str, Any]:
    """The content of ``metrics.json``."""
    predictions = Predictions(
        dataset.test_labels, finished.predictions, finished.confidences, finished.true_confidences
    )
    confusion = predictions.confusion(facts.plan.spec.classes)
    plan = facts.plan.as_dict()
    seconds = sum(record.train_seconds for record in finished.history)
    trained = len(dataset.train_labels) * len(finished.history)
    return {
        "version": 1,
        "name": facts.config.name,
        "runId": facts.place.run_id,
        "attempt": facts.place.attempt,
        "lineage": facts.plan.lineage,
        "accuracy": finished.accuracy,
        "testLoss": finished.loss,
        "trainSeconds": seconds + sum(record.evaluation_seconds for record in finished.history),
        "imagesPerSecond": trained / seconds if seconds else 0.0,
        "model": plan["spec"],
        "normalisation": plan["normalisation"],
        "recipe": plan["recipe"],
        "epochs": [record.as_dict() for record in finished.history],
        "lostWorkers": [
            {"name": loss.name, "epoch": loss.epoch, "time": _time(loss.at), "reason": loss.reason}
            for loss in facts.lost_workers
        ],
        "perClass": per_class(confusion),
        "confusionMatrix": confusion.tolist(),
        "worstMistakes": worst_mistakes(predictions),
        "dataset": {
            "address": facts.config.dataset,
            "digest": dataset.digest,
            "trainImages": len(dataset.train_labels),
            "testImages": len(dataset.test_labels),
            "classes": dataset.classes,
            **({"classNames": list(dataset.class_names)} if dataset.class_names else {}),
        },
        "config": facts.config.model_dump(mode="json", exclude={"training", "storage_endpoint", "storage_region"}),
        "device": finished.device,
        "versions": {"mnist-training": package_version(), **finished.versions},
        "timeline": {name: _time(at) for name, at in sorted(facts.timeline.items(), key=lambda item: item[1])},
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
