"""Images that do not fit into memory: plain IDX files on each node's disk, mapped, read a batch at a time.

What the kernel keeps of them in its page cache is shared by all workers of a node and given up when memory is short.
The folder they lie in is shared by the processes of a node; the last of them removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data import idx
from mnist_trainer.data.files import Role, is_sideways
from mnist_trainer.data.places import Place
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError, OutOfSpaceError
from mnist_trainer.localdisk import disk_problem

Array = NDArray[np.uint8]

_ADVICE = "; give the pods a larger scratch volume, or more memory (MNIST_SCRATCH_DIR, MNIST_DATASET_MEMORY_BYTES)"
_MEMORY_VARIABLE = "MNIST_DATASET_MEMORY_BYTES"
_MEMORY_SHARE = 5  # a fifth: it lies there twice, in the driver and in Ray's object store (30 % of the memory)
_MIN_MEMORY = 256 << 20
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_BLOCK_BYTES = 1 << 20


def dataset_memory(env: Mapping[str, str] | None = None) -> int:
    """Bytes beyond which a dataset stays on disk: MNIST_DATASET_MEMORY_BYTES, or a fifth of what this container has.

    Raises InvalidConfigError.
    """
    given = (os.environ if env is None else env).get(_MEMORY_VARIABLE, "").strip()
    if not given:
        return max(_MIN_MEMORY, _memory() // _MEMORY_SHARE)
    if not given.isascii() or not given.isdecimal():
        raise InvalidConfigError(f"{_MEMORY_VARIABLE} must be a number of bytes, not {given[:40]!r}")
    return int(given)


def blocks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """All of [N, ...] in order, in contiguous parts of 1 MiB."""
    count = max(1, _BLOCK_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), count):
        yield np.ascontiguousarray(images[start : start + count])


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


def scratch_root(env: Mapping[str, str] | None = None) -> Path:
    """Where large datasets go: below MNIST_SCRATCH_DIR, or the folder for temporary files.

    Raises InvalidConfigError, OutOfSpaceError.
    """
    given = (os.environ if env is None else env).get("MNIST_SCRATCH_DIR")
    root = Path(given or tempfile.gettempdir()) / f"mnist-datasets-{os.getuid()}"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise disk_problem(error, root) from error
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise InvalidConfigError(f"{root}: belongs to somebody else; set MNIST_SCRATCH_DIR to another folder")
    return root


class SharedFolder:
    """A folder below `root` named by `key`, held until `release`.

    Kernel locks tell whether somebody holds it: they end with their process, however that ends.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.path = root / key
        self._lock_path = root / f"{key}.lock"
        self._lock: int | None = self._hold()
        self.path.mkdir(mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Alone with the folder; waits for whoever else fills it."""
        file = os.open(self.path / ".filling", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def release(self) -> None:
        """Let go; removes the folder if nobody else holds it. Safe to call twice."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        _remove_if_unused(lock, self._lock_path)

    def _hold(self) -> int:
        while True:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is(lock, self._lock_path):
                return lock
            os.close(lock)  # removed by its last holder in between


def sweep(root: Path) -> None:
    """Remove the folders that processes have left which are gone."""
    for lock_path in root.glob("*.lock"):
        with contextlib.suppress(OSError):
            _remove_if_unused(os.open(lock_path, os.O_RDWR), lock_path)


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


def _remove_if_unused(lock: int, lock_path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(lock, lock_path):
            shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
            lock_path.unlink()
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def _is(file: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(file)
    return (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev)


def _memory() -> int:
    """Bytes of memory of this container or machine."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _CGROUP_LIMITS:
        try:
            sizes.append(int(Path(name).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(sizes)
