"""The end of a script that did well: whatever it left in OUTPUT is listed, digested and sealed by a manifest."""

from __future__ import annotations

import hashlib
import json
import logging
import mimetypes
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mnist_trainer.config import ScriptConfig
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.naming import EVENTS_FILE, METRICS_FILE, RELEASE_MANIFEST, REPORT_FILE, RunPlace, is_result
from mnist_trainer.release.publish import ManifestFile, ReleaseManifest
from mnist_trainer.release.script_report import HEAD_BYTES, is_report, report_files
from mnist_trainer.script.progress import ScriptProgress
from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address
from mnist_trainer.version import package_version

MAX_FILES = 10_000
_OCTETS = "application/octet-stream"
_MODELS = ("safetensors", "pt", "pth", "onnx", "keras", "ckpt", "pkl")
_AT_ONCE = 8
REPORTS = (METRICS_FILE, REPORT_FILE, EVENTS_FILE)

logger = logging.getLogger(__name__)


def upload_folder(store: ObjectStore, folder: Path, output: S3Address) -> int:
    """Upload the files below `folder` to OUTPUT; how many there were. Links are left out: they may lead anywhere."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    for path in files:
        name = path.relative_to(folder).as_posix()
        if not is_result(name):
            raise TrainerError(
                f"OUTPUT_DIR/{name}: names that begin with attempt-, logs/ and checkpoints/, and {RELEASE_MANIFEST}, "
                "belong to the training: choose another name",
                FailureReason.CODE_INVALID,
            )
        store.put_file(path, output.child(name), content_type=_type_of(name))
    return len(files)


def find_output(store: ObjectStore, output: S3Address) -> list[ObjectInfo]:
    """The objects that the script left. Raises TrainerError(NoOutput) when there are none, or too many to seal."""
    found = [item for item in store.list(output) if is_result(_name(output, item.address))]
    if not found:
        raise _nothing_left(output)
    if len(found) > MAX_FILES:
        raise TrainerError(
            f"the command left {len(found):,} files in OUTPUT, and at most {MAX_FILES:,} are sealed: pack them",
            FailureReason.CODE_INVALID,
        )
    return found


def add_reports(store: ObjectStore, output: S3Address, metrics: dict[str, Any]) -> None:
    """Add what the script reported, as figures, page and curves; files of these names that it left itself stay.

    Those of an attempt that did not come as far as its seal are replaced. Raises TrainerError(NoOutput) when there is
    nothing else.
    """
    left = {_name(output, item.address): item.address for item in find_output(store, output)}
    earlier = {name for name in REPORTS if name in left and is_report(name, store.get_head(left[name], HEAD_BYTES))}
    if earlier == left.keys():
        raise _nothing_left(output)
    for name in sorted(earlier):
        store.delete(left.pop(name))
    for file in report_files(metrics):
        if file.name not in left:
            store.put_bytes(output.child(file.name), file.data, file.content_type)


def _nothing_left(output: S3Address) -> TrainerError:
    return TrainerError(
        f"the command ended without an error and left nothing in OUTPUT ({output}) or OUTPUT_DIR: a training needs a "
        "result, such as the model's weights",
        FailureReason.NO_OUTPUT,
    )


def make_manifest(
    store: ObjectStore, config: ScriptConfig, place: RunPlace, lineage: str, progress: ScriptProgress, seconds: float
) -> ReleaseManifest:
    """Name every file of the output with its size and digest; each is read once."""
    found = find_output(store, place.output)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seal") as pool:
        digested = list(pool.map(lambda item: store.digest(item.address), found))
    return ReleaseManifest(
        name=config.name,
        lineage=lineage,
        attempt=place.attempt,
        run_id=place.run_id,
        accuracy=progress.accuracy,
        epochs=progress.epoch,
        train_seconds=seconds,
        created_at=datetime.now(UTC),
        dataset={"address": config.dataset},
        config=config.model_dump(mode="json", exclude={"training", "storage_endpoint", "storage_region"}),
        versions={"mnist-training": package_version()},
        files=[_entry(place.output, item) for item in digested],
    )


def metrics_of(config: ScriptConfig, place: RunPlace, progress: ScriptProgress, seconds: float) -> dict[str, Any]:
    """The content of a script's ``metrics.json``: all that it reported."""
    return {
        "version": 1,
        "name": config.name,
        "runId": place.run_id,
        "attempt": place.attempt,
        "command": list(config.command),
        "accuracy": progress.accuracy,
        "loss": progress.loss,
        "epoch": progress.epoch,
        "plannedEpochs": progress.epochs,
        "epochs": [_epoch(report) for report in progress.records if "epoch" in report],
        "metrics": dict(progress.metrics),
        "trainSeconds": seconds,
        "reports": list(progress.records),
        "dataset": {"address": config.dataset},
        "versions": {"mnist-training": package_version()},
    }


def _epoch(report: dict[str, Any]) -> dict[str, Any]:
    """A report as a record of an epoch, with the names that our own recipe's have."""
    return {"epoch": report["epoch"], "train_loss": report.get("loss"), "accuracy": report.get("accuracy")}


def lineage(config: ScriptConfig, code: str) -> str:
    """Digest of what was run; `code` is that of the files."""
    parts = {"command": config.command, "code": code, "dataset": config.dataset}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def result_of(output: S3Address, manifest: ReleaseManifest) -> dict[str, Any]:
    """The ``result`` of a status; what the script did not leave is left out."""
    names = {entry.name: entry for entry in manifest.files}
    model = next((name for ending in _MODELS if (name := f"model.{ending}") in names), "")
    found = {
        "manifest": str(output.child(RELEASE_MANIFEST)),
        "trainSeconds": round(manifest.train_seconds, 3),
        "model": str(output.child(model)) if model else None,
        "sha256": names[model].sha256 if model else None,
        "accuracy": None if manifest.accuracy is None else round(manifest.accuracy, 4),
        "metrics": str(output.child(METRICS_FILE)) if METRICS_FILE in names else None,
        "report": str(output.child(REPORT_FILE)) if REPORT_FILE in names else None,
    }
    return {field: value for field, value in found.items() if value is not None}


def _entry(output: S3Address, item: ObjectInfo) -> ManifestFile:
    name = _name(output, item.address)
    return ManifestFile(name=name, size=item.size, sha256=item.sha256 or "", content_type=_type_of(name))


def _name(output: S3Address, address: S3Address) -> str:
    return address.key.removeprefix(f"{output.key}/" if output.key else "")


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or _OCTETS
