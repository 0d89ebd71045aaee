"""One request as the server sees it: who asks, for what, with which options, and what the body holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from mnist_local.apiserver import protobuf
from mnist_local.apiserver.errors import (
    ApiError,
    Obj,
    bad_option,
    bad_request,
    not_acceptable,
    unsupported_media_type,
)
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import errors as fields

JSON = "application/json"
_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


SYSTEM = User("system:apiserver", ("system:masters", "system:authenticated"))


@dataclass(slots=True)
class Write:
    """Who writes what, and how; a named manager becomes the owner of what changes, in `managedFields`."""

    resource: Resource
    namespace: str
    name: str
    user: User = SYSTEM
    subresource: str = ""
    dry_run: bool = False
    manager: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RequestInfo:
    """What is asked for in the terms of authorization; without a `resource` it is a path such as `/version`."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    version: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def _true(value: str | None) -> bool:
    return value is not None and value.lower() not in ("false", "0")


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Read a request; a path that names no resource gets the lower-case method as its verb."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(method.lower(), path=path)
    info = RequestInfo(_VERBS.get(method, ""), group, path=path, version=version)
    if rest[0] == "namespaces" and len(rest) > 1:
        info.namespace = rest[1]
        if len(rest) > 2 and not (group == "" and rest[2] in ("status", "finalize")):
            rest = rest[2:]
    info.resource, info.name, info.subresource = rest[0], "".join(rest[1:2]), "/".join(rest[2:])
    if info.verb == "get" and not info.subresource and _true(query.get("watch")):
        info.verb = "watch"
    elif not info.name:
        info.verb = {"get": "list", "delete": "deletecollection"}.get(info.verb, info.verb)
    if info.verb in ("list", "watch", "deletecollection") and not info.name:
        # A list of one named object is allowed to who may list that name only.
        terms = (term.partition("=") for term in query.get("fieldSelector", "").split(","))
        info.name = next((value.removeprefix("=") for key, _, value in terms if key == "metadata.name"), "")
    return info


@dataclass(slots=True)
class Call:
    """A request to a resource, with all that a handler needs."""

    info: RequestInfo
    resource: Resource
    user: User
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    warnings: list[str] = field(default_factory=list)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").split(";", 1)[0].strip().lower()

    @property
    def namespace(self) -> str:
        return self.info.namespace if self.resource.namespaced else ""

    def flag(self, name: str) -> bool:
        return _true(self.query.get(name))

    def choice(self, options_kind: str, name: str, allowed: Iterable[str], default: str = "") -> str:
        """Return a query parameter that has a few values.

        Raises:
            ApiError: 422, it has another one.
        """
        value = self.query.get(name) or default
        if value and value not in allowed:
            raise bad_option(options_kind, fields.not_supported(name, value, list(allowed)))
        return value

    def write(self, options_kind: str, owned: bool = True) -> Write:
        """Return the write that the request asks for.

        Raises:
            ApiError: 422, an option has no such value.
        """
        dry_run = self.choice(options_kind, "dryRun", ("All",)) == "All"
        manager = self.query.get("fieldManager") or self.headers.get("User-Agent", "").split("/", 1)[0] or "unknown"
        return Write(
            self.resource, self.namespace, self.info.name, self.user, self.info.subresource, dry_run,
            manager[:128] if owned else "", self.warnings,
        )  # fmt: skip

    def obj(self, kind: str = "") -> Obj:
        """Return the body, an object of the resource's kind or of another one."""
        if self.content_type == protobuf.CONTENT_TYPE:  # how kubectl sends what it knows the types of
            try:
                return protobuf.decode(self.body)
            except ValueError as error:
                raise ApiError(415, "UnsupportedMediaType", str(error)) from None
        if self.content_type in ("", JSON):
            return as_object(decode_json(self.body), kind or self.resource.kind)
        raise unsupported_media_type([JSON])


def decode_json(body: bytes) -> Any:
    """Parse JSON.

    Raises:
        ApiError: 400; the body is not quoted, it may hold a secret.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from None


def as_object(value: Any, kind: str) -> Obj:
    """Return a parsed body that must be an object of a kind."""
    if not isinstance(value, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): it is no JSON object")
    return value


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.1 without timestamps, which Kubernetes keeps as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def decode_yaml(body: bytes) -> Any:
    """Parse one YAML document."""
    try:
        return yaml.load(body, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from None


def wants_table(accept: str) -> bool:
    """Tell whether an Accept header asks for a Table before it takes plain JSON.

    Raises:
        ApiError: 406, it takes neither.
    """
    for clause in (accept or JSON).replace(" ", "").split(","):
        media, *parameters = clause.split(";")
        form = next((value for value in parameters if value.startswith("as=")), "")
        if media in (JSON, "*/*", "application/*") and form in ("", "as=Table"):
            return bool(form)
    raise not_acceptable()
