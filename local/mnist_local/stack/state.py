"""What a supervisor tells about itself: a file for whoever comes later, and a line of JSON for whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Phase = Literal["starting", "up", "stopping", "failed"]


@dataclass
class PartState:
    """One part as `mnistctl local status` shows it."""

    name: str
    log: str
    pid: int | None = None
    state: str = "starting"
    restarts: int = 0


@dataclass
class StackState:
    """The stack as `mnistctl local status` shows it."""

    pid: int = field(default_factory=os.getpid)
    phase: Phase = "starting"
    message: str = ""
    kubeconfig: str = ""
    endpoint: str = ""
    parts: list[PartState] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Replace the state file."""
        partial = path.with_suffix(".partial")
        with contextlib.suppress(OSError):  # a full disk must not end what still runs
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n")
            partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> StackState | None:
        """The state in a file, or None where there is none."""
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        parts = [PartState(**part) for part in content.pop("parts")]
        return cls(**content, parts=parts)


class Events:
    """Lines of JSON on stdout, until nobody reads them any more."""

    def __init__(self) -> None:
        self._open = True

    def emit(self, event: str, **fields: Any) -> None:
        """Tell one thing."""
        if not self._open:
            return
        try:
            sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
            sys.stdout.flush()
        except OSError:
            # Whoever started us has gone on; Python would complain about the pipe once more at exit.
            self._open = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
