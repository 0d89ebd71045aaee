"""Label and field selectors: parsed once, matched against objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mnist_local.apiserver.errors import Obj, bad_request
from mnist_local.apiserver.resource import Resource

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


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector: the field equals, or does not equal, the value."""

    field: str
    equal: bool
    value: str


def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """Parse a field selector (`metadata.name=x,status.phase!=Running`).

    Raises:
        ApiError: 400, the selector cannot be parsed.
    """
    terms: list[FieldTerm] = []
    for part in filter(None, text.split(",")):
        found = _FIELD.match(part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append(FieldTerm(found[1].strip(), found[2] != "!=", found[3]))
    return tuple(terms)


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
"""Field selectors of Events that are no paths of the stored form."""


def _lookup(obj: Obj, path: str) -> str:
    value: object = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def selection(resource: Resource, query: Mapping[str, str]) -> Match | None:
    """Return the predicate over stored objects of a request's selectors, None where everything matches.

    Raises:
        ApiError: 400, a selector cannot be parsed, or the resource cannot be selected by that field.
    """
    labels, terms = parse_labels(query.get("labelSelector", "")), parse_fields(query.get("fieldSelector", ""))
    allowed = ("metadata.name", "metadata.namespace", *_SELECTABLE.get(resource.table_name, ()))
    for term in terms:
        if term.field not in allowed:
            raise bad_request(f"field label not supported: {term.field}")
    paths = {term.field: term.field.replace("regarding.", "involvedObject.", 1) for term in terms}
    if resource.table_name == "events":
        paths = {name: _EVENT_FIELDS.get(path, path) for name, path in paths.items()}

    def match(obj: Obj) -> bool:
        found = obj["metadata"].get("labels") or {}
        return all(requirement.matches(found) for requirement in labels) and all(
            (_lookup(obj, paths[term.field]) == term.value) is term.equal for term in terms
        )

    return match if labels or terms else None
