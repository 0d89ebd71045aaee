"""A network of the user's own, tried on the head before any worker is asked for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from mnist_trainer.code import words
from mnist_trainer.code.redaction import Redaction
from mnist_trainer.errors import CodeInvalidError, FailureReason, TrainerError
from mnist_trainer.plan import ModelSpec

_PATIENCE = 300.0
_KILLED = -9
_MOST_LINES = 200
_SAID_BYTES = 256 << 10
_LAST_WORDS = 1.0


def check_network(
    spec: ModelSpec,
    folder: Path | None,
    redacted: Redaction,
    printed: Callable[[str], None],
    patience: float = _PATIENCE,
) -> int:
    """Let another process build, train and export the network; returns the number of its parameters.

    `printed` gets each line that the code printed, without secrets. Raises TrainerError: its sentence says what is
    wrong, and another attempt would not mend it.
    """
    request = json.dumps({"folder": str(folder) if folder else None, "spec": asdict(spec)})
    try:
        done = _try(request, patience)
    except subprocess.TimeoutExpired:
        raise CodeInvalidError(
            f"{spec.name} was not built, trained on a few images and exported within {patience:.0f} s: it hangs, or is "
            "far too large for one CPU"
        ) from None
    for line in done.said.splitlines()[-_MOST_LINES:]:
        printed(redacted(line))
    return _verdict(spec, done, redacted)


@dataclass(frozen=True)
class _Trial:
    """How the process ended, what it answered, and the end of what the code printed."""

    status: int
    answer: bytes
    said: str


def _try(request: str, patience: float) -> _Trial:
    """Run the trial, and end all that it has started. Raises subprocess.TimeoutExpired.

    Only the process itself is waited for: what the code started may hold its outputs open for ever.
    """
    said = bytearray()

    def listen(pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(pipe.fileno(), _SAID_BYTES):
                said.extend(data)
                del said[:-_SAID_BYTES]

    with tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(
            [sys.executable, "-m", "mnist_trainer.trial"],
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stderr is not None
        listener = threading.Thread(target=listen, args=(process.stderr,), name="trial-stderr", daemon=True)
        listener.start()
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(request.encode())
            status = process.wait(patience)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            listener.join(_LAST_WORDS)
        answer.seek(0)
        return _Trial(status, answer.read(), said.decode(errors="replace"))


def _verdict(spec: ModelSpec, done: _Trial, redacted: Redaction) -> int:
    try:
        answer: dict[str, Any] = json.loads(done.answer)
    except ValueError:
        if done.status == _KILLED:
            raise TrainerError(
                f"{spec.name} was killed while it was tried on the Ray head: it needs more memory than "
                "spec.head.resources gives",
                FailureReason.OUT_OF_MEMORY,
            ) from None
        said = redacted(words.last_lines(done.said))
        raise CodeInvalidError(
            f"{spec.name} ended its process (status {done.status}) when it was tried: {said}"
        ) from None
    if "facts" not in answer:
        raise TrainerError(redacted(answer["message"]), FailureReason(answer["reason"]))
    return int(answer["facts"]["parameters"])
