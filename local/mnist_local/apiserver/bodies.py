"""What cannot be decoded, in the words of the real server."""

from __future__ import annotations

import json

from mnist_local.apiserver.errors import ApiError, bad_request

_SHOWN = 30


class UndecodableError(Exception):
    """An object that does not fit its type; `detail` says why, as Go's JSON decoder would."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def summary(body: bytes) -> str:
    """Return the beginning of a body as messages show it."""
    if not body:
        return "<empty>"
    more = " ..." if len(body) > _SHOWN else ""
    return (body[:_SHOWN].decode(errors="replace") if body[:1] == b"{" else body[:_SHOWN].hex()) + more


def json_error(body: bytes) -> str:
    """Return what is wrong with a body that is not JSON."""
    text = body.decode(errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if not text[error.pos :].strip():
            return "unexpected end of JSON input"
        return f"invalid character '{text[error.pos]}' looking for beginning of value"
    return "the text is not UTF-8"


def unrecognized(kind: str, why: str, body: bytes) -> ApiError:
    """400 for a body that is no object of any kind."""
    return bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({summary(body)})")


def go_type(value: object) -> str:
    """Return what Go's decoder calls a JSON value."""
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
