"""Files between this machine and a bucket, with their progress shown: on a terminal bars, otherwise a line per file.

What is shown goes to stderr, so that stdout stays the command's result.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_trainer.errors import BucketNotFoundError, InvalidConfigError
from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int, int], None]
"""Is told bytes (or things) done and in all."""


def fetch_into(folder: Path, source: str, shown: Transfers) -> list[Path]:
    """Fill a folder from `source`: "mirrors", "digits", or the path of another folder."""
    if source == "mirrors":
        from mnist_trainer.data.sources import fetch_mnist

        bars: dict[str, Advance] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = shown.file(name)
            bars[name](done, total)

        paths = fetch_mnist(folder, progress)
    elif source == "digits":
        from mnist_trainer.data.sources import write_digits

        paths = write_digits(folder)
    else:
        from mnist_trainer.data.sources import copy_folder

        paths = copy_folder(Path(source), folder)
    for path in paths:
        shown.finish(path.name, path.stat().st_size)
    return paths


def upload(
    store: ObjectStore, path: Path, address: S3Address, shown: Transfers, make_bucket: bool = False
) -> list[ObjectInfo]:
    """Upload a file below `address`, or all files of a folder (below its own name if the address is a whole bucket)."""
    if path.is_dir():
        base = address if address.key else address.child(path.resolve().name)
        plan = [(file, base.child(file.relative_to(path).as_posix())) for file in _files(path)]
        if not plan:
            raise InvalidConfigError(f"{path}: there is no file in this folder")
    elif path.is_file():
        plan = [(path, address.child(path.name))]
    else:
        raise InvalidConfigError(f"{path}: there is no such file or folder")
    if make_bucket:
        store.make_bucket(address)
    else:
        _check_bucket(store, address)
    return [_upload_one(store, file, target, shown) for file, target in plan]


def download(store: ObjectStore, path: Path, address: S3Address, shown: Transfers) -> list[Path]:
    """Download the object of the file's name below `address` to `path`."""
    return [_download_one(store, address.child(path.name), path, shown)]


def download_all(store: ObjectStore, folder: Path, address: S3Address, shown: Transfers) -> list[Path]:
    """Download everything below `address` into a folder."""
    found = list(store.list(address))
    if not found:
        raise InvalidConfigError(f"{address}: there is nothing to download")
    return [_download_one(store, info.address, folder / relative(info.address, address), shown) for info in found]


def relative(address: S3Address, base: S3Address) -> str:
    """The key of an object below `base`."""
    return address.key.removeprefix(f"{base.key}/") if base.key else address.key


def _check_bucket(store: ObjectStore, address: S3Address) -> None:
    try:
        store.check(S3Address(address.bucket))
    except BucketNotFoundError as error:
        raise BucketNotFoundError(f"{error.message}; --make-bucket makes it") from None


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        # Hidden files are editors' and our own partial downloads.
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _upload_one(store: ObjectStore, file: Path, target: S3Address, shown: Transfers) -> ObjectInfo:
    info = store.put_file(file, target, progress=shown.file(file.name))
    shown.finish(str(target), info.size)
    return info


def _download_one(store: ObjectStore, source: S3Address, path: Path, shown: Transfers) -> Path:
    info = store.get_file(source, path, progress=shown.file(path.name))
    shown.finish(str(path), info.size)
    return path


class Transfers:
    """Makes a progress callback for each file of a transfer."""

    def file(self, label: str) -> Advance:
        """A callback (bytes done, bytes in all) for one file."""
        raise NotImplementedError

    def finish(self, label: str, size: int) -> None:
        """Tell that a file of `size` bytes is done."""
        raise NotImplementedError


@contextlib.contextmanager
def transfers(verb: str, quiet: bool = False) -> Iterator[Transfers]:
    """Show transfers, e.g. `verb` "upload", on stderr, so that stdout stays the command's result."""
    if quiet or not sys.stderr.isatty():
        yield _Lines(verb, quiet)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bars(progress, verb)


@contextlib.contextmanager
def counting(verb: str) -> Iterator[Advance]:
    """A callback (things done, things in all): a bar on a terminal, otherwise nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(verb, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class _Lines(Transfers):
    def __init__(self, verb: str, quiet: bool) -> None:
        self._verb = verb
        self._quiet = quiet

    def file(self, label: str) -> Advance:
        return lambda done, total: None

    def finish(self, label: str, size: int) -> None:
        if not self._quiet:
            print(f"{self._verb} {label} ({human_size(size)})", file=sys.stderr)


class _Bars(Transfers):
    def __init__(self, progress: Progress, verb: str) -> None:
        self._progress = progress
        self._verb = verb

    def file(self, label: str) -> Advance:
        task = self._progress.add_task(f"{self._verb} {label}", total=None)

        def advance(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)

        return advance

    def finish(self, label: str, size: int) -> None:
        """The bar itself shows it."""


def human_size(size: int) -> str:
    """A size in bytes for people, in binary units."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
