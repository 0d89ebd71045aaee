"""Label and field selectors: parsed once, matched against objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mnist_local.apiserver.errors import Obj, bad_request

Match = Callable[[Obj], bool]

_KEY = r"(?:[a-z0-9A-Z](?:[-a-z0-9A-Z.]*[a-z0-9A-Z])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$")
_EQUAL = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*({_VALUE})$")
_COMPARE = re.compile(rf"^({_KEY})\s*(<|>)\s*(-?[0-9]+)$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector; `operator` is =, !=, in, notin, exists, !, < or >."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels satisfy the term."""
        present = self.key in labels
        match self.operator:
            case "exists":
                return present
            case "!":
                return not present
            case "in":
                return present and labels[self.key] in self.values
            case "notin":
                return not present or labels[self.key] not in self.values
            case _:
                return present and self._compare(labels[self.key])

    def _compare(self, value: str) -> bool:
        try:
            left, right = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == ">" else left < right


def _split(text: str) -> list[str]:
    parts: list[str] = []
    depth = start = 0
    for index, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return [part.strip() for part in parts]


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Parse a label selector (`a=b,c!=d,e in (f,g),h,!i,j>1`).

    Raises:
        ApiError: 400, the selector cannot be parsed.
    """
    return tuple(_requirement(part, text) for part in _split(text)) if text.strip() else ()


def _requirement(part: str, whole: str) -> Requirement:
    if found := _SET.match(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        return Requirement(found[1], found[2], values)
    if found := _EQUAL.match(part):
        return Requirement(found[1], "notin" if found[2] == "!=" else "in", frozenset((found[3],)))
    if found := _COMPARE.match(part):
        return Requirement(found[1], found[2], frozenset((found[3],)))
    if found := _EXISTS.match(part):
        return Requirement(found[2], "!" if found[1] else "exists")
    raise bad_request(f"unable to parse requirement: {part!r} in the label selector {whole!r}")


def match_labels(requirements: tuple[Requirement, ...]) -> Match | None:
    """Return a predicate over objects, or None where everything matches."""
    if not requirements:
        return None

    def match(obj: Obj) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement.matches(labels) for requirement in requirements)

    return match


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
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        found = re.match(r"^([^=!]+?)\s*(!=|==|=)\s*(.*)$", part, re.DOTALL)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append(FieldTerm(found[1].strip(), found[2] != "!=", re.sub(r"\\(.)", r"\1", found[3])))
    return tuple(terms)


def lookup(obj: Obj, path: str) -> str:
    """Return the value of a dotted field as a selector compares it; absent is the empty string."""
    value: object = obj
    for part in path.split("."):
        if not isinstance(value, dict):
            return ""
        value = value.get(part)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def match_fields(terms: tuple[FieldTerm, ...], read: Callable[[Obj, str], str] = lookup) -> Match | None:
    """Return a predicate over objects, or None where everything matches; `read` gets a field's value."""
    if not terms:
        return None

    def match(obj: Obj) -> bool:
        return all((read(obj, term.field) == term.value) is term.equal for term in terms)

    return match


def both(first: Match | None, second: Match | None) -> Match | None:
    """Return the conjunction of two predicates, where None stands for always."""
    if first is None or second is None:
        return first or second
    return lambda obj: first(obj) and second(obj)
