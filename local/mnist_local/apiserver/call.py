"""One request as its handlers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mnist_local.apiserver.bodies import go_type, unrecognized
from mnist_local.apiserver.errors import Obj, invalid
from mnist_local.apiserver.requestinfo import RequestInfo
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import errors as fields


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


SYSTEM = User("system:apiserver", ("system:masters", "system:authenticated"))


@dataclass(slots=True)
class WriteOptions:
    """Query parameters of every write."""

    dry_run: bool = False
    manager: str = "unknown"
    field_validation: str = "Warn"
    force: bool | None = None


@dataclass(slots=True)
class Call:
    """A request to a resource, decoded as far as every verb needs it."""

    info: RequestInfo
    resource: Resource
    user: User
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    warnings: list[str] = field(default_factory=list)

    @property
    def content_type(self) -> str:
        """Return the body's media type without parameters."""
        return self.headers.get("Content-Type", "").split(";", 1)[0].strip().lower()

    def flag(self, name: str) -> bool:
        """Return a boolean query parameter; it is set when present with anything but false or 0."""
        value = self.query.get(name)
        return value is not None and value.lower() not in ("false", "0")

    def write_options(self, options_kind: str) -> WriteOptions:
        """Read the options of a write; `options_kind` (CreateOptions, ...) names them in refusals.

        Raises:
            ApiError: 400 or 422, an option has no such value.
        """
        options = WriteOptions()
        query = self.query
        if "dryRun" in query:
            options.dry_run = dry_run_of([query["dryRun"]] if query["dryRun"] else [], options_kind)
        options.manager = _manager(query.get("fieldManager", ""), self.headers.get("User-Agent", ""), options_kind)
        level = query.get("fieldValidation") or "Warn"
        if level not in ("Ignore", "Warn", "Strict"):
            cause = fields.not_supported("fieldValidation", level, ("", "Ignore", "Strict", "Warn"))
            raise invalid("meta.k8s.io", options_kind, "", [cause])
        options.field_validation = level
        if "force" in query:
            options.force = self.flag("force")
        return options


def dry_run_of(values: list[str], options_kind: str) -> bool:
    """Return whether `dryRun` asks for a dry run.

    Raises:
        ApiError: 422, a value other than `All`.
    """
    if any(value != "All" for value in values):
        raise invalid("meta.k8s.io", options_kind, "", [fields.not_supported("dryRun", values, ("All",))])
    return bool(values)


def _manager(given: str, user_agent: str, options_kind: str) -> str:
    if len(given) > 128:
        raise invalid("meta.k8s.io", options_kind, "", [fields.too_long("fieldManager", 128)])
    return given or user_agent.split("/", 1)[0][:128] or "unknown"


def require_object(value: object, call: Call) -> Obj:
    """Return a decoded body that must be an object.

    Raises:
        ApiError: 400.
    """
    if not isinstance(value, dict):
        why = f"couldn't get version/kind; json parse error: json: cannot unmarshal {go_type(value)} into an object"
        raise unrecognized(call.resource.kind, why, call.body)
    return value
