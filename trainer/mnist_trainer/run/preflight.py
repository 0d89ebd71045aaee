"""What a training needs of its object store, checked before anything is started for it.

The trainer's first act on the head is this check: a misspelt bucket then costs seconds, and no worker is asked for.
`mnistctl` makes the same check on a workstation, before there is a cluster at all.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mnist_trainer.data.files import find_files
from mnist_trainer.data.places import InStore
from mnist_trainer.errors import TrainerError
from mnist_trainer.store import ObjectStore, S3Address


@dataclass(frozen=True)
class StorageCheck:
    """The outcome for one address: `subject` is "dataset" or "output"; without an `error` the address will do.

    The error's `reason` is one of the contract (DatasetNotFound, BucketNotFound, StoreAccessDenied, ...).
    """

    subject: str
    address: S3Address
    error: TrainerError | None = None


def check_storage(store: ObjectStore, dataset: S3Address | None, output: S3Address | None) -> list[StorageCheck]:
    """One outcome for each address given, the dataset's first. Both are checked at once, each with the store's retries.

    Of the dataset, the names of the four files must be there (their content is read later, by whoever loads it). In the
    output's bucket an empty object is written and deleted again. Raises nothing that the store says.
    """
    checks: list[tuple[str, S3Address, Callable[[], object]]] = []
    if dataset is not None:
        checks.append(("dataset", dataset, lambda: _find_dataset(store, dataset)))
    if output is not None:
        checks.append(("output", output, lambda: store.check(output, write=True)))

    def outcome(check: tuple[str, S3Address, Callable[[], object]]) -> StorageCheck:
        subject, address, ask = check
        try:
            ask()
        except TrainerError as error:
            return StorageCheck(subject, address, error)
        return StorageCheck(subject, address)

    with ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="storage-check") as pool:
        return list(pool.map(outcome, checks))


def check_output(store: ObjectStore, output: S3Address) -> None:
    """Make sure that the output can be written; the data is such a run's own business. Raises what the store says."""
    for check in check_storage(store, None, output):
        if check.error is not None:
            raise check.error


def _find_dataset(store: ObjectStore, address: S3Address) -> None:
    place = InStore(store, address)
    find_files(place.sizes(), place.where)
