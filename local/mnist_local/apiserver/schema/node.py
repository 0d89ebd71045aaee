"""One place in a schema: what may stand there, and how it merges."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Scalar = str | int | float | bool | None
Json = Any
"""A decoded JSON value: dict, list or scalar."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `x-kubernetes-validations`."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool | None = None


class Node:
    """A structural schema node (or, below `allOf`/`anyOf`/`oneOf`/`not`, a value validation).

    `properties` may be given lazily, so that recursive and large built-in types cost only what is looked at.
    """

    # fmt: off
    __slots__ = (
        "_load", "_properties", "additional", "additional_allowed", "additional_given", "all_of", "any_of", "cel",
        "default", "embedded", "embedded_below", "enum", "exclusive_maximum", "exclusive_minimum", "format",
        "int_or_string", "items", "keyed_below", "list_type", "map_keys", "map_type", "max_items", "max_length",
        "max_properties", "maximum", "min_items", "min_length", "min_properties", "minimum", "multiple_of", "not_",
        "nullable", "one_of", "patch_merge_key", "patch_strategy", "pattern", "preserve_unknown", "required", "rules",
        "source", "type",
    )
    # fmt: on

    def __init__(self, type_: str = "", *, source: Mapping[str, Json] | None = None) -> None:
        self.type = type_
        self.source: Mapping[str, Json] = source if source is not None else {}
        self.format = ""
        self.nullable = False
        self.default: Json = MISSING
        self._properties: dict[str, Node] = {}
        self._load: Callable[[], dict[str, Node]] | None = None
        self.additional: Node | None = None
        self.additional_allowed = False
        self.additional_given = False
        self.items: Node | None = None
        self.preserve_unknown = False
        self.embedded = False
        self.int_or_string = False
        self.list_type = ""
        self.map_keys: tuple[str, ...] = ()
        self.map_type = ""
        self.patch_merge_key = ""
        self.patch_strategy: tuple[str, ...] = ()
        self.required: tuple[str, ...] = ()
        self.enum: list[Json] = []
        self.minimum: float | None = None
        self.maximum: float | None = None
        self.exclusive_minimum = False
        self.exclusive_maximum = False
        self.multiple_of: float | None = None
        self.min_length: int | None = None
        self.max_length: int | None = None
        self.pattern = ""
        self.min_items: int | None = None
        self.max_items: int | None = None
        self.min_properties: int | None = None
        self.max_properties: int | None = None
        self.all_of: list[Node] = []
        self.any_of: list[Node] = []
        self.one_of: list[Node] = []
        self.not_: Node | None = None
        self.rules: tuple[Rule, ...] = ()
        self.keyed_below = True
        """Whether there may be lists of type set or map at or below this node."""
        self.embedded_below = True
        """Whether there may be embedded resources at or below this node."""
        self.cel: Any = None
        """The compiled rules of this node (see `celrules`); None while there are none."""

    @property
    def properties(self) -> dict[str, "Node"]:
        """The declared fields."""
        if self._load is not None:
            load, self._load = self._load, None
            self._properties = load()
        return self._properties

    @properties.setter
    def properties(self, value: dict[str, "Node"]) -> None:
        self._load = None
        self._properties = value

    def load_properties_with(self, load: Callable[[], dict[str, "Node"]]) -> None:
        """Have the declared fields made when they are first looked at."""
        self._load = load

    def child(self, name: str) -> "Node | None":
        """The schema of field `name`: a declared property, else `additionalProperties`, else None (unknown)."""
        found = self.properties.get(name)
        return found if found is not None else self.additional

    def note_what_is_below(self) -> None:
        """Find out what checks may skip; for schemas that end (a built-in type may contain itself)."""
        children = [*self.properties.values(), self.items, self.additional]
        below = [child for child in children if child is not None]
        for child in below:
            child.note_what_is_below()
        self.keyed_below = self.list_type in ("set", "map") or any(child.keyed_below for child in below)
        self.embedded_below = self.embedded or any(child.embedded_below for child in below)

    def clone(self) -> "Node":
        """A shallow copy."""
        clone = Node.__new__(Node)
        for slot in Node.__slots__:
            setattr(clone, slot, getattr(self, slot))
        return clone

    def with_properties(self, properties: dict[str, "Node"]) -> "Node":
        """A shallow copy with other properties."""
        clone = self.clone()
        clone.properties = properties
        return clone
