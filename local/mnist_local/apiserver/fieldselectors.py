"""Which fields each resource can be selected by, as the real server has registered them."""

from __future__ import annotations

from collections.abc import Callable

from mnist_local.apiserver.errors import Obj, bad_request
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.selectors import FieldTerm, Match, lookup, match_fields

_EVENT_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase", "name"),
    "services": ("spec.clusterIP", "spec.type"),
    "jobs.batch": ("status.successful",),
    "events": (
        *(f"involvedObject.{part}" for part in _EVENT_REFERENCE),
        *(f"regarding.{part}" for part in _EVENT_REFERENCE),
        "reason",
        "reportingComponent",
        "reportingController",
        "source",
        "type",
    ),
}


def _event_field(obj: Obj, path: str) -> str:
    if path.startswith("regarding."):
        path = "involvedObject." + path.removeprefix("regarding.")
    if path in ("source", "reportingComponent", "reportingController"):
        return lookup(obj, "source.component") or lookup(obj, "reportingComponent")
    return lookup(obj, path)


def _job_field(obj: Obj, path: str) -> str:
    return lookup(obj, "status.succeeded") or "0" if path == "status.successful" else lookup(obj, path)


def _pod_field(obj: Obj, path: str) -> str:
    if path == "spec.hostNetwork":
        return "true" if obj.get("spec", {}).get("hostNetwork") else "false"
    return lookup(obj, path)


_READERS: dict[str, Callable[[Obj, str], str]] = {
    "events": _event_field,
    "jobs.batch": _job_field,
    "pods": _pod_field,
}


def compile_fields(resource: Resource, terms: tuple[FieldTerm, ...]) -> Match | None:
    """Return the predicate over stored objects of a field selector.

    Raises:
        ApiError: 400, the resource cannot be selected by that field.
    """
    table = resource.table_name
    allowed = _FIELDS.get(table, ()) + resource.selectable
    for term in terms:
        known = term.field == "metadata.name" or (term.field == "metadata.namespace" and resource.namespaced)
        if not known and term.field not in allowed:
            raise bad_request(_unknown(resource, term.field, table in _FIELDS or resource.custom))
    return match_fields(terms, _READERS.get(table, lookup))


def _unknown(resource: Resource, name: str, own_fields: bool) -> str:
    if own_fields:
        return f"field label not supported: {name}"
    known = '"metadata.name", "metadata.namespace"'
    return f'"{name}" is not a known field selector: only {known}'
