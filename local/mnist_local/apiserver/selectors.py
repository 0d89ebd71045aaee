"""Label and field selectors: parsed once, matched against objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mnist_local.apiserver.errors import Obj, bad_request
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.tables import find

Match = Callable[[Obj], bool]

_KEY = r"(?:[a-z0-9A-Z](?:[-a-z0-9A-Z.]*[a-z0-9A-Z])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$")
_EQUAL = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*({_VALUE})$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")
_FIELD = re.compile(r"^([^=!]+?)\s*(!=|==|=)\s*(.*)$", re.DOTALL)
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector; `operator` is in, notin, exists or !."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        present = self.key in labels
        match self.operator:
            case "exists":
                return present
            case "!":
                return not present
            case "in":
                return present and labels[self.key] in self.values
        return not present or labels[self.key] not in self.values


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Parse a label selector (`a=b,c!=d,e in (f,g),h,!i`).

    Raises:
        ApiError: 400, the selector cannot be parsed.
    """
    parts = re.split(r",(?![^(]*\))", text) if text.strip() else []
    return tuple(_requirement(part.strip(), text) for part in parts)


def _requirement(part: str, whole: str) -> Requirement:
    if found := _SET.match(part):
        return Requirement(found[1], found[2], frozenset(value.strip() for value in found[3].split(",")))
    if found := _EQUAL.match(part):
        return Requirement(found[1], "notin" if found[2] == "!=" else "in", frozenset((found[3],)))
    if found := _EXISTS.match(part):
        return Requirement(found[2], "!" if found[1] else "exists")
    raise bad_request(f"unable to parse requirement: {part!r} in the label selector {whole!r}")


def matches(selector: Obj, labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy a `metav1.LabelSelector`; an empty one is satisfied by all."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(
        Requirement(term["key"], _OPERATORS[term["operator"]], frozenset(term.get("values") or ())).matches(labels)
        for term in selector.get("matchExpressions") or ()
    )


def parse_fields(text: str) -> list[tuple[str, bool, str]]:
    """Parse a field selector (`metadata.name=x,status.phase!=Running`) into fields, whether equal, and values.

    Raises:
        ApiError: 400, the selector cannot be parsed.
    """
    terms = []
    for part in filter(None, text.split(",")):
        found = _FIELD.match(part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append((found[1].strip(), found[2] != "!=", found[3]))
    return terms


_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_SELECTABLE: dict[str, tuple[str, ...]] = {
    "pods": ("spec.nodeName", "status.phase"),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "events": (
        *(f"{reference}.{part}" for reference in ("involvedObject", "regarding") for part in _ABOUT),
        "reason", "reportingComponent", "reportingController", "source", "type",
    ),
}  # fmt: skip
_EVENT_FIELDS = {"source": "source.component", "reportingController": "reportingComponent"}


def _event_field(name: str) -> str:
    """Where the stored form of an Event has a field."""
    return _EVENT_FIELDS.get(name, name.replace("regarding.", "involvedObject.", 1))


def selection(resource: Resource, query: Mapping[str, str]) -> Match | None:
    """Return the predicate over stored objects of a request's selectors, None where everything matches.

    Raises:
        ApiError: 400, a selector cannot be parsed, or the resource cannot be selected by that field.
    """
    labels, terms = parse_labels(query.get("labelSelector", "")), parse_fields(query.get("fieldSelector", ""))
    allowed = ("metadata.name", "metadata.namespace", *_SELECTABLE.get(resource.table_name, ()))
    for name, _, _ in terms:
        if name not in allowed:
            raise bad_request(f"field label not supported: {name}")
    if resource.table_name == "events":
        terms = [(_event_field(name), equal, value) for name, equal, value in terms]

    def match(obj: Obj) -> bool:
        found = obj["metadata"].get("labels") or {}
        return all(requirement.matches(found) for requirement in labels) and all(
            (str(find(obj, f".{path}") or "") == value) is equal for path, equal, value in terms
        )

    return match if labels or terms else None
