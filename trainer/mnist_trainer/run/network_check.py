"""A network of the user's own, tried on the head before any worker is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnist_trainer.code import words
from mnist_trainer.code.redaction import Redaction
from mnist_trainer.errors import CodeInvalidError, FailureReason, TrainerError
from mnist_trainer.plan import ModelSpec

_PATIENCE = 300.0
_KILLED = -9
_MOST_LINES = 200


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
        done = subprocess.run(
            [sys.executable, "-m", "mnist_trainer.trial"],
            input=request,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CodeInvalidError(
            f"{spec.name} was not built, trained on a few images and exported within {patience:.0f} s: it hangs, or is "
            "far too large for one CPU"
        ) from None
    for line in done.stderr.splitlines()[-_MOST_LINES:]:
        printed(redacted(line))
    return _verdict(spec, done, redacted)


def _verdict(spec: ModelSpec, done: subprocess.CompletedProcess[str], redacted: Redaction) -> int:
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        if done.returncode == _KILLED:
            raise TrainerError(
                f"{spec.name} was killed while it was tried on the Ray head: it needs more memory than "
                "spec.head.resources gives",
                FailureReason.OUT_OF_MEMORY,
            ) from None
        said = redacted(words.last_lines(done.stderr))
        raise CodeInvalidError(
            f"{spec.name} ended its process (status {done.returncode}) when it was tried: {said}"
        ) from None
    if "facts" not in answer:
        raise TrainerError(redacted(answer["message"]), FailureReason(answer["reason"]))
    return int(answer["facts"]["parameters"])
