"""Checkpoints: the state after an epoch as one object, and a manifest, written after it, that makes it valid.

They are written beside the training, by a thread, and read by whichever process takes the training up again: they lie
below the training's output, each process's under a prefix of its own.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from mnist_trainer.errors import ObjectNotFoundError, ObjectTooLargeError, TrainerError
from mnist_trainer.events import EpochFinished, Event
from mnist_trainer.naming import RunPlace, checkpoint_epoch
from mnist_trainer.store import ObjectStore, S3Address

_MANIFEST_BYTES = 64 << 10
_STATE_BYTES = 4 << 30

logger = logging.getLogger(__name__)


class CheckpointManifest(BaseModel):
    """What makes a saved state valid: written last, it says which bytes belong to it and who may go on from them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    version: int = 1
    lineage: str
    attempt: int
    run_id: str
    epoch: int
    accuracy: float
    state: str
    size: int
    sha256: str
    created_at: datetime


class CheckpointRepository:
    """Saves under this process's own prefix; looks for what any process of the same training has left."""

    def __init__(self, store: ObjectStore, place: RunPlace, lineage: str) -> None:
        self._store = store
        self._place = place
        self._lineage = lineage
        self._saved: dict[int, float] = {}
        self._unfinished: set[int] = set()

    def save(self, epoch: int, accuracy: float, state: bytes) -> None:
        """Upload the state after `epoch`, then its manifest. Of this run's others only the best stays.

        Raises what the store raises; then there is no checkpoint of this epoch, and the others are untouched.
        """
        state_address, manifest_address = self._place.checkpoint(epoch)
        if epoch in self._saved:  # trained again: nobody may find the old manifest beside the new state
            self._store.delete(manifest_address)
            del self._saved[epoch]
        self._unfinished.add(epoch)
        info = self._store.put_bytes(state_address, state)
        manifest = CheckpointManifest(
            lineage=self._lineage,
            attempt=self._place.attempt,
            run_id=self._place.run_id,
            epoch=epoch,
            accuracy=accuracy,
            state=str(state_address),
            size=info.size,
            sha256=hashlib.sha256(state).hexdigest(),
            created_at=datetime.now(UTC),
        )
        self._store.put_bytes(manifest_address, manifest.model_dump_json(by_alias=True).encode(), "application/json")
        self._unfinished.discard(epoch)
        self._saved[epoch] = accuracy
        try:
            self._prune()
        except TrainerError as error:
            logger.warning("older checkpoints are not removed yet: %s", error.message)

    def newest(self) -> tuple[CheckpointManifest, bytes] | None:
        """The valid checkpoint of most epochs of any attempt and run below the output, if there is one.

        Raises what the store raises; a checkpoint that is damaged, gone or of another lineage is passed over.
        """
        found: list[tuple[int, datetime, S3Address]] = []
        for item in self._store.list(self._place.output):
            epoch = checkpoint_epoch(self._place.output, item.address)
            if epoch is not None:
                found.append((epoch, item.modified or datetime.min.replace(tzinfo=UTC), item.address))
        for _, _, address in sorted(found, reverse=True):
            checkpoint = self._read(address)
            if checkpoint is not None:
                return checkpoint
        return None

    def _read(self, address: S3Address) -> tuple[CheckpointManifest, bytes] | None:
        try:
            manifest = CheckpointManifest.model_validate_json(self._store.get_bytes(address, _MANIFEST_BYTES))
            if manifest.lineage != self._lineage:
                logger.info("passing over %s: it belongs to another configuration or dataset", address)
                return None
            state = self._store.get_bytes(S3Address.parse(manifest.state), _STATE_BYTES)
        except (ValidationError, ObjectNotFoundError, ObjectTooLargeError) as error:
            logger.warning("passing over %s: %s", address, str(error).splitlines()[0])
            return None
        if len(state) != manifest.size or hashlib.sha256(state).hexdigest() != manifest.sha256:
            logger.warning("passing over %s: the state does not have the digest that the manifest names", address)
            return None
        return manifest, state

    def _prune(self) -> None:
        """Remove all but the latest and the best, and what uploads that failed have left."""
        latest, best = max(self._saved), max(self._saved, key=lambda epoch: (self._saved[epoch], epoch))
        for epoch in sorted(self._saved.keys() - {latest, best} | self._unfinished):
            state, manifest = self._place.checkpoint(epoch)
            # The manifest goes first: a state without manifest is no checkpoint, the reverse would be a damaged one.
            self._store.delete(manifest)
            self._store.delete(state)
            self._saved.pop(epoch, None)
            self._unfinished.discard(epoch)


@dataclass(frozen=True)
class Snapshot:
    """An encoded state and what is known about it."""

    epoch: int
    accuracy: float
    state: bytes


class CheckpointUploader:
    """One thread that saves the latest snapshot it was given; one that a slow store has not let go yet is replaced.

    A failed upload is logged and does not stop the training: the release at the end needs the store anyway, and says
    what is wrong with it.
    """

    def __init__(self, save: Callable[[int, float, bytes], None]) -> None:
        self._save = save
        self._condition = threading.Condition()
        self._waiting: Snapshot | None = None
        self._busy = False
        self._closed = False
        self.saved_epoch = 0
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="checkpoint-uploader", daemon=True)
        self._thread.start()

    def observe(self, event: Event | None) -> None:
        if isinstance(event, EpochFinished):
            self.submit(Snapshot(event.record.epoch, event.record.accuracy, event.state))

    def submit(self, snapshot: Snapshot) -> None:
        """Hand over a snapshot; returns at once."""
        with self._condition:
            self._waiting = snapshot
            self._condition.notify_all()

    def close(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for what was submitted; whether all of it is saved (or has failed) by then."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            return self._condition.wait_for(lambda: not self._busy and self._waiting is None, timeout)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting is not None or self._closed)
                if self._waiting is None:
                    return
                snapshot, self._waiting, self._busy = self._waiting, None, True
            began = time.perf_counter()
            try:
                self._save(snapshot.epoch, snapshot.accuracy, snapshot.state)
                self.saved_epoch = snapshot.epoch
            except TrainerError as error:
                logger.warning("the checkpoint of epoch %d is not saved: %s", snapshot.epoch, error.message)
            finally:
                with self._condition:
                    self.seconds += time.perf_counter() - began
                    self._busy = False
                    self._condition.notify_all()
