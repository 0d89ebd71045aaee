"""What is said of errors in the user's code: the last lines of a traceback, on one line, without secrets."""

from __future__ import annotations

import re
import traceback

_MARKERS = re.compile(r"[\s~^]*")
_LINES = 4
_LENGTH = 700
_MARKS = " | "


def of_exception(error: BaseException) -> str:
    """The last lines that Python would print of an exception."""
    return last_lines("".join(traceback.format_exception(error)))


def last_lines(text: str, count: int = _LINES, length: int = _LENGTH) -> str:
    """The last lines of a text that say something, joined into one of at most `length` characters.

    Lines that only underline others are left out, and so is what pads a line.
    """
    lines = [line.strip() for line in text.splitlines() if not _MARKERS.fullmatch(line)]
    joined = _MARKS.join(lines[-count:])
    return joined if len(joined) <= length else "..." + joined[3 - length :]
