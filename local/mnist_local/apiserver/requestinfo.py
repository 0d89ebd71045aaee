"""What a request asks for, read from its method, path and query, in the terms of authorization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(slots=True)
class RequestInfo:
    """A request to a resource, or (with an empty `resource`) to another path such as `/version`."""

    path: str
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def is_resource(self) -> bool:
        """Tell whether a resource is meant."""
        return bool(self.resource)


def _true(value: str | None) -> bool:
    return value is not None and value.lower() not in ("false", "0")


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Read a request; a path that names no resource gets the lower-case method as its verb."""
    other = RequestInfo(path=path, verb=method.lower())
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return other
    info = RequestInfo(path=path, verb=_VERBS.get(method, ""), group=group, version=version)
    if rest[0] == "watch" and len(rest) > 1:
        rest = rest[1:]
        info.verb = "watch"
    if rest[0] == "namespaces" and len(rest) > 1:
        info.namespace = rest[1]
        if len(rest) > 2 and not (group == "" and rest[2] in _NAMESPACE_SUBRESOURCES):
            rest = rest[2:]
    info.resource = rest[0]
    if len(rest) > 1:
        info.name = rest[1]
    if len(rest) > 2:
        info.subresource = "/".join(rest[2:])
    _refine(info, query)
    return info


def _refine(info: RequestInfo, query: Mapping[str, str]) -> None:
    if info.verb == "get" and not info.name:
        info.verb = "watch" if _true(query.get("watch")) else "list"
    elif info.verb == "get" and not info.subresource and _true(query.get("watch")):
        info.verb = "watch"
    elif info.verb == "delete" and not info.name:
        info.verb = "deletecollection"
    if info.verb in ("list", "watch", "deletecollection") and not info.name:
        for term in query.get("fieldSelector", "").split(","):
            field, _, value = term.partition("=")
            if field == "metadata.name" and value and not value.startswith("!"):
                # A list of one named object is allowed to who may list that name only.
                info.name = value.removeprefix("=")
