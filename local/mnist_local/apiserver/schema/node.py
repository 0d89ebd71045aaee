"""A structural schema as a tree of nodes.

Defaulting, pruning, rules and field ownership walk it beside an object: each node says what its place holds and how it
merges. (Types and bounds are checked by a JSON Schema validator; see `values`.)
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import orjson

_SORTED: Final = orjson.OPT_SORT_KEYS


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""A value that is not there, where null would be one."""


def copy(value: Any) -> Any:
    """A deep copy of a JSON value (much faster than `copy.deepcopy`)."""
    if isinstance(value, dict):
        return {k: copy(v) if isinstance(v, dict | list) else v for k, v in value.items()}
    if isinstance(value, list):
        return [copy(v) if isinstance(v, dict | list) else v for v in value]
    return value


def type_name(value: Any) -> str:
    """The JSON Schema type of a value."""
    if isinstance(value, bool):
        return "boolean"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


class Node:
    """One place of a schema: `type` is "" where any JSON value may stand."""

    def __init__(self, type_: str = "", *, source: Mapping[str, Any] | None = None) -> None:
        get = (source := source or {}).get
        self.type = type_
        self.source = source
        self.nullable = bool(get("nullable"))
        self.default: Any = MISSING if get("default") is None else source["default"]
        self.keeps_unknown = bool(get("x-kubernetes-preserve-unknown-fields"))
        self.list_type: str = get("x-kubernetes-list-type") or ""
        self.map_keys: tuple[str, ...] = tuple(get("x-kubernetes-list-map-keys") or ())
        self.map_type: str = get("x-kubernetes-map-type") or ""
        self.patch_key = ""
        self.patch_strategy: tuple[str, ...] = ()
        self.items: Node | None = None
        self.additional: Node | None = None
        self.rules: Any = None
        """The compiled validation rules at and below this node (see `rules`)."""
        self.load: Callable[[], dict[str, Node]] = dict
        """Makes the fields when they are first looked at: built-in types are large and contain themselves."""

    @cached_property
    def properties(self) -> dict[str, "Node"]:
        return self.load()

    def child(self, name: str) -> "Node | None":
        found = self.properties.get(name)
        return found if found is not None else self.additional


def parse(schema: Mapping[str, Any]) -> Node:
    """`JSONSchemaProps`, as decoded JSON, into nodes."""
    node = Node(schema.get("type") or "", source=schema)
    node.properties = {name: parse(child) for name, child in (schema.get("properties") or {}).items()}
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        node.additional = parse(additional)
    elif additional:
        node.additional = Node()
        node.additional.keeps_unknown = True
    if isinstance(schema.get("items"), Mapping):
        node.items = parse(schema["items"])
    return node


class Correlated:
    """A value beside the old value of the same place: for transition rules, and to tolerate what is unchanged.

    Fields correlate by name and items of a list of type `map` by their keys; items of other lists have no past.
    `node` is None where the schema says nothing, `old` is `MISSING` where there is none.
    """

    def __init__(self, node: Node | None, new: Any, old: Any) -> None:
        self.node, self.new, self.old = node, new, old

    @cached_property
    def unchanged(self) -> bool:
        """Equal as JSON, in which true is not 1, and 1 is not 1.0."""
        if self.new is self.old or self.new != self.old:
            return self.new is self.old
        return orjson.dumps(self.new, option=_SORTED) == orjson.dumps(self.old, option=_SORTED)

    def child(self, name: str) -> "Correlated":
        old = self.old.get(name, MISSING) if isinstance(self.old, dict) else MISSING
        return Correlated(self.node.child(name) if self.node is not None else None, self.new[name], old)

    def item(self, index: int) -> "Correlated":
        node, item = self.node, self.new[index]
        old: Any = MISSING
        if node is not None and node.list_type == "map" and isinstance(item, dict) and isinstance(self.old, list):
            keys = [item.get(key) for key in node.map_keys]
            matching = (o for o in self.old if isinstance(o, dict) and [o.get(key) for key in node.map_keys] == keys)
            old = next(matching, MISSING)
        return Correlated(node.items if node is not None else None, item, old)

    def tolerates(self, path: list[str | int]) -> bool:
        current = self
        for step in path:
            if current.unchanged:
                return True
            if current.old is MISSING:
                return False
            current = current.item(step) if isinstance(step, int) else current.child(step)
        return current.unchanged
