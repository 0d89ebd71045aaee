"""Folders on a node's own disk that several processes share, and that the last of them removes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.localdisk import disk_problem


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
