"""Output that every terminal and every reader takes. Both command lines run their commands in `with_output`.

A terminal without UTF-8 gets what it can show: the rest is replaced, never a traceback. A reader that has had enough
(`| head`) ends the command quietly, with the exit code that a shell reports of any tool that SIGPIPE ended. A full disk
behind stdout is one line.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable

READER_GONE = 128 + signal.SIGPIPE
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def with_output(name: str, command: Callable[[], int]) -> int:
    """Call `command` and flush what it printed; returns its exit code.

    Where stdout or stderr cannot take any more: `READER_GONE` if nobody reads them, 1 and a line on stderr if the disk
    is full.
    """
    _prepare()
    try:
        code = command()
        _flush()
    except SystemExit as exit_:  # the parser's own way to end for EPIPE
        if not isinstance(exit_.__context__, BrokenPipeError):
            raise
        code = _dropped(READER_GONE)
    except BrokenPipeError:
        code = _dropped(READER_GONE)
    except OSError as error:
        if not output_is_full(error):
            raise
        _dropped(1)
        sys.stderr.write(f"{name}: the output cannot be written: {error.strerror}\n")
        code = 1
    return code


def output_is_full(error: OSError) -> bool:
    """Whether an error is stdout's, and not a file's: there is no room for what is printed."""
    return error.errno in _FULL and error.filename is None


def _prepare() -> None:
    # In the C locale Python writes UTF-8 all the same, which suits containers that set nothing. Who says LC_ALL=C
    # himself means it.
    says_ascii = os.environ.get("LC_ALL") in ("C", "POSIX") and not (
        os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8")
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="ascii" if says_ascii else None, errors="replace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _dropped(code: int) -> int:
    """Whatever is still buffered goes nowhere: otherwise Python complains about it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None:
            continue
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
            continue
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return code
