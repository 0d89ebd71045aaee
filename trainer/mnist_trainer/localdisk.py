"""What this machine's own disk can do wrong, in one sentence."""

from __future__ import annotations

import errno
from pathlib import Path

from mnist_trainer.errors import InvalidConfigError, OutOfSpaceError, TrainerError


def disk_problem(error: OSError, path: Path, advice: str = "") -> TrainerError:
    """The error to raise for one of the local disk: OutOfSpaceError, or InvalidConfigError for the rest."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpaceError(f"no space left on this machine's disk for {path}{advice}")
    return InvalidConfigError(f"{path}: {error.strerror or error}")
