"""What an API server refuses, and what comes instead of its answer, as one type that says what may be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN = 200
NO_CREDENTIALS = "NoCredentials"
"""Reason of an error of status 401 where other credentials could not be had; the message says why."""


class ApiError(Exception):
    """The API server refused a request, or could not be reached (status 0); `message` is its own sentence."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        """Seconds that the server asked to wait, if it did."""
        self.details = details or {}
        """Of the answer's Status: which object, and the `causes`, each with a field."""

    @classmethod
    def unreachable(cls, what: str, error: BaseException) -> ApiError:
        """There was no answer, or not a whole one."""
        return cls(0, "Unreachable", f"{what}: {str(error) or type(error).__name__}")

    @classmethod
    def of_status(cls, status: Mapping[str, Any], code: int = 500) -> ApiError:
        """Read a v1 Status, as a watch sends it."""
        return cls(int(status.get("code") or code), str(status.get("reason") or ""), str(status.get("message") or ""))

    @classmethod
    def of_answer(cls, code: int, headers: Mapping[str, str], raw: bytes) -> ApiError:
        """Read the answer of a refused request: a v1 Status, or a proxy's page."""
        answer = parsed(raw)
        message = str(answer.get("message") or f"HTTP {code}")
        return cls(code, str(answer.get("reason") or ""), message, _retry_after(headers), answer.get("details"))

    @property
    def not_reached(self) -> bool:
        """Whether there was no answer at all; the request may have been carried out all the same."""
        return self.status == 0 and self.reason == "Unreachable"

    @property
    def not_found(self) -> bool:
        """Whether the object (or its kind) is not there."""
        return self.status == 404

    @property
    def already_exists(self) -> bool:
        """Whether an object of that name is there already."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """Whether the object has changed since it was read, or is not the one that was meant."""
        return self.status == 409 and self.reason != "AlreadyExists"

    @property
    def may_pass(self) -> bool:
        """Whether the same request may well succeed in a moment: the server was not reached, is busy or failed."""
        return self.status in {0, 408, 429} or self.status >= 500


def parsed(raw: bytes) -> dict[str, Any]:
    """Return an answer's JSON object; what is none is its `message`, cut short."""
    try:
        answer = json.loads(raw or b"{}")
    except ValueError:
        return {"message": raw[:_SHOWN].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)[:_SHOWN]}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None
