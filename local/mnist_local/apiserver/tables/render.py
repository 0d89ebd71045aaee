"""Tables of any resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mnist_local.apiserver import jsonpath
from mnist_local.apiserver.errors import Obj, invalid
from mnist_local.apiserver.resource import Column, Resource
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.store import Entry
from mnist_local.apiserver.tables.builtin import PRINTERS, row_conditions
from mnist_local.apiserver.tables.duration import since
from mnist_local.apiserver.views import obj_of

_NAME: Obj = {
    "name": "Name", "type": "string", "format": "name", "priority": 0,
    "description": "Name must be unique within a namespace.",
}  # fmt: skip
_CREATED: Obj = {
    "name": "Created At", "type": "date", "format": "", "priority": 0,
    "description": "When the server made this object.",
}  # fmt: skip


def table_of(resource: Resource, entries: Iterable[Entry], include: str) -> Obj:
    """Return a meta.k8s.io/v1 Table of objects; `include` is Object, Metadata, None or empty (Metadata).

    Raises:
        ApiError: 422, another value of `include`.
    """
    if include not in ("", "Metadata", "Object", "None"):
        cause = field.invalid("includeObject", include, "must be 'Metadata', 'Object', 'None', or empty")
        raise invalid("meta.k8s.io", "TableOptions", "", [cause])
    definitions, cells = _printer(resource)
    rows: list[Obj] = []
    for entry in entries:
        row: Obj = {"cells": cells(entry.obj)}
        if conditions := row_conditions(resource, entry.obj):
            row["conditions"] = conditions
        row["object"] = _row_object(resource, entry, include)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _row_object(resource: Resource, entry: Entry, include: str) -> Obj | None:
    if include == "None":
        return None
    if include == "Object":
        return obj_of(resource, entry)
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": entry.obj["metadata"]}


def _printer(resource: Resource) -> tuple[list[Obj], Callable[[Obj], list[Any]]]:
    if resource.columns:
        columns = resource.columns
        return [_NAME, *map(_definition, columns)], lambda obj: [
            obj["metadata"]["name"], *(_cell(column, obj) for column in columns)
        ]  # fmt: skip
    if resource.custom:
        age = Column("Age", "date", ".metadata.creationTimestamp", "", str(_CREATED["description"]))
        return [_NAME, _definition(age)], lambda obj: [obj["metadata"]["name"], _cell(age, obj)]
    if printer := PRINTERS.get(resource.table_name):
        return printer.definitions, printer.cells
    return [_NAME, _CREATED], lambda obj: [obj["metadata"]["name"], obj["metadata"]["creationTimestamp"]]


def _definition(column: Column) -> Obj:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or f"Custom resource definition column (in JSONPath format): {column.path}",
        "priority": column.priority,
    }


def _cell(column: Column, obj: Obj) -> Any:
    try:
        found = jsonpath.find(obj, column.path)
    except jsonpath.PathError:
        return None
    if not found:
        return None
    value = found[0]
    match column.type:
        case "string":
            return jsonpath.as_text(value)
        case "integer" if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            return since(value)
    return None
