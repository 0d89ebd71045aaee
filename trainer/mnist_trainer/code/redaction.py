"""Strikes secrets out of what the user's code prints: the values that this process knows, and what looks like one."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

_SECRET_VARIABLES = re.compile(r"(?i)(SECRET|PASSWORD|PASSWD|TOKEN|ACCESS_KEY|CREDENTIAL|AUTHORIZATION|API_KEY)")
_PATHS = re.compile(r"(?i)_(PATH|FILE|DIR|URI)$")
_LEAST = 8
"""Shorter values are too likely to be ordinary words."""
_SHAPED = re.compile(
    r"(?i)((?:secret|password|passwd|token|access[_-]?key(?:_id)?|authorization|credential|api[_-]?key)"
    r"[\w-]*[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)([^\s\"',;&]{8,})"
)
STRUCK = "[redacted]"


class Redaction:
    """Call it with a text of one or more whole lines."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret.strip()) if len(form) >= _LEAST}
        self.longest = max(map(len, forms), default=0)
        """Length of the longest value that is struck out."""
        self._known = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None

    @classmethod
    def of_environment(cls, env: Mapping[str, str], more: Iterable[str] = ()) -> Redaction:
        """Of the values of variables that are named as secrets are, of Ray's token, and of `more`."""
        secrets = [value for name, value in env.items() if _SECRET_VARIABLES.search(name) and not _PATHS.search(name)]
        with contextlib.suppress(OSError):
            if path := env.get("RAY_AUTH_TOKEN_PATH"):
                secrets.append(Path(path).read_text())
        return cls([*secrets, *more])

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(STRUCK, text)
        return _SHAPED.sub(rf"\1{STRUCK}", text)


def _forms(secret: str) -> set[str]:
    """The value as it is, and as URLs and Base64 have it, alone or within more (`user:secret`)."""
    encoded = base64.b64encode(secret.encode()).decode()
    within = {_base64_within(secret.encode(), before) for before in range(3)}
    return {secret, quote(secret, safe=""), quote_plus(secret), encoded.rstrip("="), repr(secret)[1:-1], *within}


def _base64_within(secret: bytes, before: int) -> str:
    """The characters that are the secret's alone where `before` bytes (modulo 3) stand before it."""
    encoded = base64.b64encode(bytes(before) + secret).decode()
    return encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
