"""The end of a job's log, for the status: short, and without credentials."""

from __future__ import annotations

import re

_SECRET_SHAPED = re.compile(
    r"(?i)((?:secret|password|passwd|token|access[_-]?key(?:_id)?|authorization|credential)[\w-]*[\"']?\s*[=:]\s*)(\S+)"
)


def redacted_tail(text: str, limit: int = 2000) -> str | None:
    """Return the last lines of a log, short, with what looks like a credential struck out."""
    text = _SECRET_SHAPED.sub(r"\1[redacted]", text.strip())
    if len(text) <= limit:
        return text or None
    return "…" + text[-limit:].split("\n", 1)[-1]
