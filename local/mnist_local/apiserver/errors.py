"""API failures as Kubernetes reports them: a `metav1.Status` with a machine-readable reason and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mnist_local.apiserver.schema.errors import FieldError

Obj = dict[str, Any]


class ApiError(Exception):
    """A request that ends with a failure `Status`."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    def status(self) -> Obj:
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
            "reason": self.reason, "details": self.details, "code": self.code,
        }  # fmt: skip


class UndecodableError(Exception):
    """A body that does not fit its type; `detail` says why, without the value, which may be a secret."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def qualified(group: str, plural: str) -> str:
    """Return `plural.group`, or `plural` in the core group, as messages name a resource."""
    return f"{plural}.{group}" if group else plural


def _details(group: str, kind: str, name: str = "") -> Obj:
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: no valid credentials."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, plural: str, name: str, why: str) -> ApiError:
    """403 for a resource; `why` is the sentence after the colon."""
    what = f'{qualified(group, plural)} "{name}"' if name else qualified(group, plural)
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", _details(group, plural, name))


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404 for a named object."""
    message = f'{qualified(group, plural)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(group, plural, name))


def no_such_path() -> ApiError:
    """404 for a path or resource the server does not serve."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(group: str, plural: str, name: str) -> ApiError:
    """409 on create."""
    message = f'{qualified(group, plural)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str = "") -> ApiError:
    """409 on a stale write or a failed precondition."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(group, plural, name))


def invalid(group: str, kind: str, name: str, causes: Sequence[FieldError]) -> ApiError:
    """422: the object breaks the rules of its kind (`kind` is the Kind, not the resource)."""
    unique = list(dict.fromkeys(str(cause) for cause in causes))
    text = unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]"
    details = _details(group, kind, name)
    details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.path} for c in causes]
    return ApiError(422, "Invalid", f'{qualified(group, kind)} "{name}" is invalid: {text}', details)


def bad_option(kind: str, cause: FieldError) -> ApiError:
    """422 for a query parameter; `kind` is that of the options, as PatchOptions."""
    return invalid("meta.k8s.io", kind, "", [cause])


def method_not_allowed() -> ApiError:
    """405."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def not_acceptable() -> ApiError:
    """406: no content type of the Accept header can be served."""
    return ApiError(406, "NotAcceptable", "only application/json, and Tables in it, can be served")


def unsupported_media_type(accepted: Iterable[str]) -> ApiError:
    """415: the body's content type."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def expired(message: str) -> ApiError:
    """410: a resource version or continue token that is too old."""
    return ApiError(410, "Expired", message)
