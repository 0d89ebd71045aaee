"""The machine's own disk and user: what can be wrong with them, in one sentence, and what is done without them."""

from __future__ import annotations

import errno
import getpass
import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from mnist_trainer.errors import InvalidConfigError, OutOfSpaceError, TrainerError


def disk_problem(error: OSError, path: Path, advice: str = "") -> TrainerError:
    """The error to raise for one of the local disk: OutOfSpaceError, or InvalidConfigError for the rest."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpaceError(f"no space left on this machine's disk for {path}{advice}")
    return InvalidConfigError(f"{path}: {error.strerror or error}")


def name_user_and_home(env: MutableMapping[str, str]) -> None:
    """Give `env`, the process's environment, a user's name and a home folder where it has none that can be used.

    OpenShift and `docker run --user` run a process under a number that no passwd file knows, and with no home, or one
    that is not its own. Libraries (MLflow, PyTorch, Ray) ask for both, and some give up without.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        env["USER"] = f"uid-{os.getuid()}"
    try:
        usable = os.access(Path.home(), os.W_OK | os.X_OK)
    except RuntimeError:
        usable = False
    if not usable:
        env["HOME"] = tempfile.gettempdir()
