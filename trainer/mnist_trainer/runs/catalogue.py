"""Runs in the object store, with what their manifests and metrics say."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mnist_trainer.errors import InvalidConfigError, ObjectNotFoundError, ObjectTooLargeError
from mnist_trainer.naming import METRICS_FILE, RELEASE_MANIFEST
from mnist_trainer.release.manifest import ReleaseManifest
from mnist_trainer.runs.discover import RELEASED, FoundRun, discover
from mnist_trainer.store import ObjectStore, S3Address

_MANIFEST_BYTES = 1 << 20
_METRICS_BYTES = 256 << 20
_READERS = 8


@dataclass(frozen=True)
class Run:
    """A run, and its manifest if it is sealed by one that can be read."""

    found: FoundRun
    manifest: ReleaseManifest | None

    @property
    def address(self) -> S3Address:
        """Where it lies."""
        return self.found.address

    @property
    def state(self) -> str:
        """`Sealed`, `Unsealed` (it trains, waits, failed or was interrupted), or `Damaged`."""
        if not self.found.sealed:
            return "Unsealed"
        if self.manifest is None:
            return "Damaged"
        sizes = {item.address: item.size for item in self.found.released}
        known = [entry for entry in self.manifest.files if entry.name in RELEASED]  # a later version may release more
        whole = all(sizes.get(self.address.child(entry.name)) == entry.size for entry in known)
        return "Sealed" if whole else "Damaged"


def list_runs(store: ObjectStore, root: S3Address) -> list[Run]:
    """Every run at or below `root`. Raises what the store raises."""
    found = discover(store.list(root), root)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="manifests") as pool:
        manifests = list(pool.map(lambda run: _read_manifest(store, run), found))
    return [Run(run, manifest) for run, manifest in zip(found, manifests, strict=True)]


def one_run(store: ObjectStore, address: S3Address) -> Run:
    """The run at `address`, or the only one below it. Raises InvalidConfigError if there is none, or are several."""
    runs = list_runs(store, address)
    here = [run for run in runs if run.address == address]
    if here:
        return here[0]
    if len(runs) == 1:
        return runs[0]
    if not runs:
        raise InvalidConfigError(f"there is no run at {address}")
    shown = ", ".join(str(run.address) for run in runs[:3])
    raise InvalidConfigError(f"{address} holds {len(runs)} runs, name one of them: {shown}{' ...' * (len(runs) > 3)}")


def read_metrics(store: ObjectStore, run: Run) -> dict[str, Any]:
    """The content of a sealed run's ``metrics.json``. Raises InvalidConfigError for a run without."""
    if run.manifest is None:
        raise InvalidConfigError(f"{run.address} is not sealed: it has no {RELEASE_MANIFEST} that can be read")
    address = run.address.child(METRICS_FILE)
    try:
        content = json.loads(store.get_bytes(address, _METRICS_BYTES))
    except ObjectNotFoundError as error:
        raise InvalidConfigError(f"{address} is missing") from error
    except ValueError as error:
        raise InvalidConfigError(f"{address} is not JSON") from error
    if not isinstance(content, dict):
        raise InvalidConfigError(f"{address} is not the metrics of a run")
    return content


def _read_manifest(store: ObjectStore, run: FoundRun) -> ReleaseManifest | None:
    if run.manifest is None:
        return None
    try:
        return ReleaseManifest.model_validate_json(store.get_bytes(run.manifest.address, _MANIFEST_BYTES))
    except (ValidationError, ObjectNotFoundError, ObjectTooLargeError):
        return None
