"""Images that do not fit into memory: plain IDX files on each node's disk, mapped, read a batch at a time.

What the kernel keeps of them in its page cache is shared by all workers of a node and given up when memory is short.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import shutil
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data import idx
from mnist_trainer.data.files import Role, is_sideways
from mnist_trainer.data.places import Place
from mnist_trainer.data.scratch import SharedFolder, scratch_root, sweep
from mnist_trainer.errors import DatasetInvalidError, OutOfSpaceError
from mnist_trainer.localdisk import disk_problem

Array = NDArray[np.uint8]

_ADVICE = "; give the pods a larger scratch volume, or more memory (MNIST_SCRATCH_DIR, MNIST_DATASET_MEMORY_BYTES)"


@dataclass(frozen=True)
class ImageFile:
    """A file of images: its name where it comes from, and the digest of its content as plain IDX once that is known."""

    name: str
    size: int
    version: str
    sha256: str | None = None


class DiskImages:
    """Image files on this node's disk, fetched and unpacked once for all its processes."""

    def __init__(self, place: Place, files: dict[Role, ImageFile], random_access: bool = False) -> None:
        self._place = place
        self._files = files
        self._random_access = random_access
        versions = [place.where, *(f"{file.name} {file.version}" for file in files.values())]
        root = scratch_root()
        self._folder = SharedFolder(root, hashlib.sha256("\n".join(versions).encode()).hexdigest()[:32])
        sweep(root)
        self._shared = _Shared(self._folder)
        self.digests: dict[Role, str] = {}

    def read(self, role: Role) -> Array:
        """The images [N, H, W] or [N, H, W, C], mapped and upright.

        Raises DatasetInvalidError, OutOfSpaceError, or what the place raises.
        """
        file = self._files[role]
        path, shape, digest = self._prepare(file)
        if file.sha256 not in (None, digest):
            raise DatasetInvalidError(f"{self._place.full_name(file.name)}: has changed since the training began")
        self.digests[role] = digest
        images = self._mapped(path, shape)
        return images.swapaxes(1, 2) if is_sideways(file.name) else images

    def digest(self, file: ImageFile) -> str:
        """The sha256 of another file's content as plain IDX. Raises as :meth:`read` does."""
        return self._prepare(file)[2]

    def close(self) -> None:
        """Give up what has not been mapped."""
        self._shared.let_go()

    def _prepare(self, file: ImageFile) -> tuple[Path, tuple[int, ...], str]:
        try:
            with self._folder.filling():
                return self._prepared(file)
        except OSError as error:
            raise disk_problem(error, self._folder.path / file.name, _ADVICE) from error

    def _prepared(self, file: ImageFile) -> tuple[Path, tuple[int, ...], str]:
        """Path, shape and digest of the plain file; from a note beside it if it was prepared before."""
        note = self._folder.path / f"{file.name}.json"
        if note.exists():
            known = json.loads(note.read_text())
            return Path(known["path"]), tuple(known["shape"]), known["sha256"]
        name = self._place.full_name(file.name)
        start = self._place.head(file.name)
        shape = idx.images_shape(start, name)
        packed = idx.is_gzip(start)
        fetching = 0 if self._place.is_local else file.size
        self._check_space(fetching + (math.prod(shape) if packed else 0), name)
        fetched = self._place.file(file.name, self._folder.path / file.name)
        plain = self._folder.path / f"{file.name}.plain" if packed else fetched
        shape, digest = _unpack(fetched, name, plain if packed else None)
        if packed and fetched.parent == self._folder.path:
            fetched.unlink()
        note.write_text(json.dumps({"path": str(plain.absolute()), "shape": shape, "sha256": digest}))
        return plain, shape, digest

    def _check_space(self, needed: int, name: str) -> None:
        free = shutil.disk_usage(self._folder.path).free
        if needed > free:
            raise OutOfSpaceError(
                f"{name} needs {needed >> 20} MiB on this machine's disk, {self._folder.path.parent} has "
                f"{free >> 20} MiB left{_ADVICE}"
            )

    def _mapped(self, path: Path, shape: tuple[int, ...]) -> Array:
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._random_access:
            mapping.madvise(mmap.MADV_RANDOM)  # no reading ahead of what the next batch does not need
        self._shared.keep_while(mapping)
        return np.frombuffer(mapping, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


class _Shared:
    """Lets the folder go when all mappings of it are gone: arrays keep theirs alive."""

    def __init__(self, folder: SharedFolder) -> None:
        self._folder = folder
        self._users = 1

    def keep_while(self, mapping: mmap.mmap) -> None:
        self._users += 1
        weakref.finalize(mapping, self.let_go)

    def let_go(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._folder.release()


def _unpack(fetched: Path, name: str, plain: Path | None) -> tuple[tuple[int, ...], str]:
    """Check a file, and write it as plain IDX to `plain`; returns its shape and the sha256 of the plain bytes."""
    digest = hashlib.sha256()
    partial = plain.with_name(f".{plain.name}.part") if plain else Path(os.devnull)
    try:
        with fetched.open("rb") as file, partial.open("wb") as out:

            def write(piece: bytes) -> None:
                digest.update(piece)
                out.write(piece)

            empty = not os.fstat(file.fileno()).st_size
            data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            shape = idx.unpack_images(data, name, write)
        if plain:
            partial.replace(plain)
    except BaseException:
        if plain:
            partial.unlink(missing_ok=True)
        raise
    return shape, digest.hexdigest()
