"""A local stack as a process, for tests."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

START_SECONDS = 90.0  # two cores, and other tests beside


class StackHandle:
    """A stack that was started, and the events that it tells."""

    def __init__(self, root: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mnist_local.stack", "--dir", str(root), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)

    def expect(self, event: str, seconds: float = START_SECONDS) -> dict[str, Any]:
        """The next event of that name; fails if the stack ends or nothing comes."""
        seen = []
        deadline = time.monotonic() + seconds
        while True:
            got = self._events.get(timeout=max(0.1, deadline - time.monotonic()))
            assert got is not None, f"the stack ended before {event!r}: {seen}"
            if got["event"] == event:
                return got
            seen.append(got)

    def part(self, name: str) -> dict[str, Any]:
        """A part as the state file has it."""
        state = json.loads((self.root / "stack.json").read_text())
        return next(part for part in state["parts"] if part["name"] == name)

    def kill_part(self, name: str) -> int:
        """End a part as a crash would; returns the pid it had."""
        pid = int(self.part(name)["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def close(self) -> None:
        """End everything, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> StackHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
