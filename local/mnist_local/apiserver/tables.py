"""Tables: what `kubectl get` prints.

Custom kinds have the printer columns of their definition; the built-in kinds that a training is made of have those that
users know, and all others name and age.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any, Final

from mnist_kube.times import parse
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.store import Entry

_NONE: Final = "<none>"
_STEP: Final = re.compile(
    r"\.(?P<name>(?:\\.|[^.\[\]\\])+)|\[(?P<index>-?\d+)\]"
    r"|\[\?\(@\.(?P<key>\w+)\s*==\s*(?P<quote>[\"'])(?P<value>.*?)(?P=quote)\)\]"
)
_BUILTIN: Final = {
    "namespaces": {"Status": ".status.phase"},
    "pods": {"Ready": "", "Status": "", "Restarts": "", "Age": "", "IP*": ".status.podIP", "Node*": ".spec.nodeName"},
    "services": {"Type": ".spec.type", "Cluster-IP": ".spec.clusterIP", "Port(s)": ""},
    "secrets": {"Type": ".type", "Data": ""},
    "configmaps": {"Data": ""},
    "events": {
        "Last Seen": "", "Type": ".type", "Reason": ".reason", "Object": "", "Message": ".message",
        "Count*": "", "Name*": "",
    },
}  # fmt: skip
"""Columns by table: title (with a * where only a wide listing shows it) and path, "" for one with a function."""


class PathError(ValueError):
    """A JSONPath that cannot be read."""


@lru_cache(maxsize=1024)
def parse_path(path: str) -> tuple[re.Match[str], ...]:
    r"""The steps of a JSONPath such as `.status.conditions[?(@.type=="Ready")].status`, `.a\.b` or `.list[0]`.

    Raises:
        PathError: it has other steps.
    """
    steps: list[re.Match[str]] = []
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise PathError(f"unexpected {path[position:]!r} in {path!r}")
        steps.append(step)
        position = step.end()
    return tuple(steps)


def find(obj: Any, path: str) -> Any:
    """The first value that a path leads to, None where a part is missing."""
    for step in parse_path(path):
        if (name := step["name"]) is not None:
            obj = obj.get(re.sub(r"\\(.)", r"\1", name)) if isinstance(obj, dict) else None
        elif not isinstance(obj, list):
            return None
        elif step["index"] is not None:
            index = int(step["index"])
            obj = obj[index] if -len(obj) <= index < len(obj) else None
        else:
            matching = (item for item in obj if isinstance(item, dict) and item.get(step["key"]) == step["value"])
            obj = next(matching, None)
    return obj


def table_of(resource: Resource, entries: Iterable[Entry], include: str) -> Obj:
    """A meta.k8s.io/v1 Table of objects; `include` is Object, None or (anything else) Metadata."""
    columns = list(_columns(resource))
    rows = [
        {"cells": [cell(entry.obj) for _, cell in columns], "object": _row_object(resource, entry, include)}
        for entry in entries
    ]
    definitions = [definition for definition, _ in columns]
    return {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": definitions, "rows": rows,
    }  # fmt: skip


def _row_object(resource: Resource, entry: Entry, include: str) -> Obj | None:
    if include == "None":
        return None
    if include == "Object":
        return resource.shown(entry)
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": entry.obj["metadata"]}


def _columns(resource: Resource) -> Iterator[tuple[Obj, Callable[[Obj], Any]]]:
    if resource.table_name != "events":
        yield _definition({"name": "Name", "type": "string", "format": "name"}), lambda obj: obj["metadata"]["name"]
    if resource.custom and resource.columns:
        for column in resource.columns:
            yield _definition(column), partial(_cell, column)
        return
    columns = {**_BUILTIN.get(resource.table_name, {})}
    if resource.table_name != "events":
        columns.setdefault("Age", "")
    for title, path in columns.items():
        name = title.rstrip("*")
        made = _MADE.get((resource.table_name, name)) or _MADE.get(("", name))
        column = {"name": name, "type": "string", "jsonPath": path, "priority": int(title.endswith("*"))}
        yield _definition(column), made or partial(_text, path)


def _definition(column: Obj) -> Obj:
    description = column.get("description") or column.get("jsonPath", "")
    return {
        "name": column["name"], "type": column["type"], "format": column.get("format", ""), "description": description,
        "priority": column.get("priority", 0),
    }  # fmt: skip


def _text(path: str, obj: Obj) -> str:
    return str(find(obj, path) or _NONE)


def _cell(column: Obj, obj: Obj) -> Any:
    value = find(obj, column["jsonPath"])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match column["type"]:
        case "string" if value is not None:
            return str(value) if not isinstance(value, bool) else str(value).lower()
        case "integer" if is_number:
            return int(value)
        case "number" if is_number:
            return value
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            return since(value)
    return None


def since(moment: str | None) -> str:
    """How long ago a `metav1.Time` was, as Kubernetes prints ages."""
    try:
        return human(time.time() - parse(moment or "").timestamp())
    except ValueError:
        return "<unknown>"


def human(seconds: float) -> str:
    """A duration in one unit, coarser the longer: 42s, 119s, 2m, 3h, 2d."""
    whole = max(int(seconds), 0)
    for unit, size in (("s", 1), ("m", 60)):
        if whole < 120 * size:
            return f"{whole // size}{unit}"
    return f"{whole // 3600}h" if whole < 2 * 86400 else f"{whole // 86400}d"


def _statuses(pod: Obj) -> list[Obj]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())


def _pod_status(pod: Obj) -> str:
    """The one word for a pod's state: the reason of the first container that has one, else the phase."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        return "Terminating"
    if status.get("reason"):
        return str(status["reason"])
    for one in _statuses(pod):
        state = one.get("state") or {}
        ended = state.get("terminated") or {}
        if reason := (state.get("waiting") or {}).get("reason") or ended.get("reason"):
            return str(reason)
        if ended:
            return f"ExitCode:{ended.get('exitCode', 0)}"
    return str(status.get("phase", ""))


def _ports(service: Obj) -> str:
    return ",".join(f"{p.get('port')}/{p.get('protocol', 'TCP')}" for p in service["spec"].get("ports") or ()) or _NONE


def _event_last_seen(event: Obj) -> str:
    times = ((event.get("series") or {}).get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return since(next((time for time in times if time), event.get("firstTimestamp")))


_MADE: Final[dict[tuple[str, str], Callable[[Obj], Any]]] = {
    ("", "Age"): lambda obj: since(obj["metadata"].get("creationTimestamp")),
    ("", "Data"): lambda obj: len(obj.get("data") or ()) + len(obj.get("binaryData") or ()),
    ("pods", "Ready"): lambda pod: (
        f"{sum(bool(one.get('ready')) for one in _statuses(pod))}/{len(pod['spec'].get('containers') or ())}"
    ),
    ("pods", "Status"): _pod_status,
    ("pods", "Restarts"): lambda pod: str(sum(one.get("restartCount") or 0 for one in _statuses(pod))),
    ("services", "Port(s)"): _ports,
    ("events", "Last Seen"): _event_last_seen,
    ("events", "Count"): lambda event: (event.get("series") or {}).get("count") or event.get("count") or 1,
    ("events", "Name"): lambda event: event["metadata"]["name"],
    ("events", "Object"): lambda event: (
        f"{event['involvedObject'].get('kind', '').lower()}/{event['involvedObject'].get('name', '')}"
    ),
}
"""Cells that are made from more than one field, by table and title; by title alone for any table."""
