"""Error texts of the CEL runtime in the words of cel-go, which Kubernetes shows."""

import re
from typing import Final

_STATUS: Final = re.compile(
    r"\A(?:CANCELLED|UNKNOWN|INVALID_ARGUMENT|DEADLINE_EXCEEDED|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|"
    r"RESOURCE_EXHAUSTED|FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS): "
)
_TRAILER: Final = re.compile(r" \[[A-Z_]+\]\s*\Z")
_RUNTIME: Final = (
    (re.compile(r'Key not found in map : "?(.*?)"?\Z', re.DOTALL), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"No matching overloads found.*", re.DOTALL), "no such overload"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"Iteration budget exceeded"), "operation cancelled: actual cost limit exceeded"),
    (re.compile(r"No value with name \"(.*?)\" found in Activation"), r"no such attribute(s): \1"),
)
_COMPILE: Final = (
    (re.compile(r"null_type"), "null"),
    (re.compile(r" not found in struct '[^']*'"), ""),
)


def plain(text: str) -> str:
    """The text without the runtime's status code."""
    return _TRAILER.sub("", _STATUS.sub("", text))


def runtime_error(text: str) -> str:
    """What went wrong while an expression ran."""
    text = plain(text)
    for pattern, replacement in _RUNTIME:
        text, count = pattern.subn(replacement, text)
        if count:
            break
    return text


def compile_error(text: str) -> str:
    """What the checker has to say, line by line, with a pointer to the place."""
    text = plain(text)
    for pattern, replacement in _COMPILE:
        text = pattern.sub(replacement, text)
    return text.rstrip()
