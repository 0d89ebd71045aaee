"""A local stack (`mnistctl local up`) for a client: found where one runs, else started. It is a program beside us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mnist_client.errors import ConnectionFailedError

_START_S = 300.0


def local_kubeconfig(folder: Path, data: Path | None) -> Path:
    """Return the kubeconfig of the local stack in a folder. Blocks while one starts, some ten seconds.

    Raises ConnectionFailedError where it does not start, with what `mnistctl` said.
    """
    where = ["--dir", str(folder)]
    if _mnistctl("status", *where).returncode:
        started = _mnistctl("up", *where, *(["--data", str(data)] if data else []))
        if started.returncode:
            said = started.stderr.strip().removeprefix("mnistctl: ") or f"exit code {started.returncode}"
            raise ConnectionFailedError(f"the local stack in {folder} did not start: {said}")
    return folder / "kubeconfig"


def _mnistctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mnist_cli", "local", *arguments]
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_START_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConnectionFailedError(f"{' '.join(command)} took longer than {_START_S:.0f} s") from None
