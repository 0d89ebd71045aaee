"""How the user's command ended, in a sentence: its status, and the last lines that it printed."""

from __future__ import annotations

import re
import signal

from mnist_trainer.code import words
from mnist_trainer.errors import FailureReason, TrainerError

_NOT_FOUND = 127
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""The command itself, or the last one of a shell."""
_OUT_OF_MEMORY = re.compile(r"\bMemoryError\b|OutOfMemoryError|CUDA out of memory|Cannot allocate memory")
_NO_SPACE = re.compile(r"No space left on device")
_NEVER_RIGHT = re.compile(
    r"^(SyntaxError|IndentationError|TabError|ModuleNotFoundError|ImportError|NameError|.*No module named .*|"
    r".*: error: (unrecognized arguments|the following arguments|argument ).*)",
    re.MULTILINE,
)
_NO_FILE = re.compile(r"can't open file '(?P<file>[^']*)'")
_LAST = 3


def failure_of(status: int, tail: str) -> TrainerError:
    """The error for a command that did not end with 0; `tail` are its last lines, without secrets.

    A mistake that another attempt would meet again, such as an import that fails, is not retryable.
    """
    said = words.last_lines(tail, count=_LAST)
    if missing := _NO_FILE.search(said):
        return TrainerError(
            f"spec.code.command: there is no file {missing['file'].rpartition('/')[2]!r} among the files of the code",
            FailureReason.CODE_NOT_FOUND,
        )
    if status == _NOT_FOUND:
        return TrainerError(f"spec.code.command: a program was not found: {said}", FailureReason.CODE_NOT_FOUND)
    if status in _KILLED:
        return TrainerError(
            "the command was killed (SIGKILL): most likely it needed more memory than spec.head.resources gives"
            + _with(said),
            FailureReason.OUT_OF_MEMORY,
        )
    if _OUT_OF_MEMORY.search(said):
        return TrainerError(f"the command ran out of memory{_with(said)}", FailureReason.OUT_OF_MEMORY)
    if _NO_SPACE.search(said):
        return TrainerError(f"the command found no space left on a disk{_with(said)}", FailureReason.OUT_OF_SPACE)
    reason = FailureReason.CODE_INVALID if _NEVER_RIGHT.search(_last_line(tail)) else FailureReason.USER_CODE_FAILED
    how = f"was ended by {_name(-status)}" if status < 0 else f"ended with status {status}"
    return TrainerError(f"the command {how}{_with(said)}", reason)


def _with(said: str) -> str:
    return f": {said}" if said else ", and printed nothing"


def _last_line(tail: str) -> str:
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
