"""Field errors, as a Status lists them under `details.causes`, in the sentences that users know from `kubectl`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

INVALID: Final = "FieldValueInvalid"
TYPE_INVALID: Final = "FieldValueTypeInvalid"
REQUIRED: Final = "FieldValueRequired"
DUPLICATE: Final = "FieldValueDuplicate"
FORBIDDEN: Final = "FieldValueForbidden"
NOT_SUPPORTED: Final = "FieldValueNotSupported"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"

_TITLES: Final = {
    INVALID: "Invalid value",
    TYPE_INVALID: "Invalid value",
    REQUIRED: "Required value",
    DUPLICATE: "Duplicate value",
    FORBIDDEN: "Forbidden",
    NOT_SUPPORTED: "Unsupported value",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
}

NO_PATH: Final = "<nil>"
"""How the API names the root of an object, or a value that belongs to no field."""

OMIT: Final = object()
"""As a bad value: the message carries no value (objects and lists are left out)."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field.

    `reason` is the cause type of a Status (`FieldValueInvalid`, ...), `message` the cause's message without the path;
    `str(error)` is the line a Status message shows.
    """

    path: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def compact(value: Any) -> str:
    """A JSON value in its shortest text, as messages and annotations hold it."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _error(path: str, reason: str, value: Any, detail: str) -> FieldError:
    body = _TITLES[reason]
    if value is not OMIT:
        body += f": {compact(value)}"
    if detail:
        body += f": {detail}"
    return FieldError(path or NO_PATH, reason, body)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A malformed value."""
    return _error(path, INVALID, value, detail)


def wrong_type(path: str, wanted: str, actual: str) -> FieldError:
    """A value of another JSON type; the value itself is not shown, for it may be a secret."""
    return _error(path, TYPE_INVALID, actual, f"{path} in body must be of type {wanted}: {compact(actual)}")


def required(path: str, detail: str = "") -> FieldError:
    """A field that must be there."""
    return _error(path, REQUIRED, OMIT, detail)


def duplicate(path: str, value: Any) -> FieldError:
    """A value that must be unique."""
    return _error(path, DUPLICATE, value, "")


def forbidden(path: str, detail: str) -> FieldError:
    """A field that may not be set."""
    return _error(path, FORBIDDEN, OMIT, detail)


def not_supported(path: str, value: Any, supported: Sequence[Any]) -> FieldError:
    """A value outside of an enumeration."""
    return _error(path, NOT_SUPPORTED, value, "supported values: " + ", ".join(compact(s) for s in supported))


def too_long(path: str, limit: int) -> FieldError:
    """A text of more than `limit` characters; the API says bytes."""
    return _error(path, TOO_LONG, OMIT, f"may not be more than {limit} byte{'' if limit == 1 else 's'}")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """A list or map with more than `limit` entries."""
    return _error(path, TOO_MANY, actual, f"must have at most {limit} item{'' if limit == 1 else 's'}")


class SchemaError(ValueError):
    """A schema that the API server would not accept in a CustomResourceDefinition; `errors` says where and why."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors: list[FieldError] = list(errors)
        super().__init__("; ".join(str(e) for e in self.errors))
