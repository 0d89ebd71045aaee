"""What CEL knows of a schema: types, and how large values can get.

Source: Kubernetes' documentation of CRD validation rules; the size limits assume that a request has at most 3 MiB.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from mnist_local.apiserver.schema.node import MISSING, Node

MAX_REQUEST_SIZE: Final = 3 * 1024 * 1024
_ESCAPED: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
# fmt: off
RESERVED: Final = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
))
# fmt: on
_ESCAPABLE: Final = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*\Z")


@dataclass(slots=True, eq=False)
class Decl:
    """A type: object, list, map, or a scalar kind (int, double, bool, string, bytes, dyn, timestamp, duration)."""

    kind: str
    max_elements: int = 0
    """Items, entries or bytes at most."""
    min_size: int = 2
    """Bytes of the smallest JSON form."""
    element: "Decl | None" = None
    fields: dict[str, "Decl"] = field(default_factory=dict)
    """By escaped name."""
    names: dict[str, str] = field(default_factory=dict)
    """Field name to escaped name."""
    format: str = ""
    nullable: bool = False
    message: str = ""
    """The protobuf message that stands for an object when expressions are checked."""


def escape(name: str) -> str | None:
    """The CEL identifier of a field, or None where there is none."""
    if not _ESCAPABLE.match(name):
        return None
    if name in RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[-./]", lambda m: _ESCAPED[m[0]], name)


def declare(node: Node, *, is_root: bool = False) -> Decl | None:
    """The type of a schema node; None for what rules cannot see (no declared structure)."""
    if node.int_or_string:
        limit = node.max_length * 4 if node.max_length is not None else MAX_REQUEST_SIZE - 2
        return Decl("dyn", limit, 1)
    if node.type == "array":
        return _list(node)
    if node.type == "object":
        return _map(node) if node.additional is not None and not is_root else _object(node, is_root=is_root)
    if node.type == "string":
        return _string(node)
    scalar = {"boolean": ("bool", 4), "number": ("double", 1), "integer": ("int", 1)}.get(node.type)
    return None if scalar is None else Decl(scalar[0], 0, scalar[1])


def _list(node: Node) -> Decl | None:
    if node.items is None:
        return None
    element = declare(node.items, is_root=node.items.embedded)
    if element is None:
        return None
    default = (MAX_REQUEST_SIZE - 2) // (element.min_size + 1)
    return Decl("list", default if node.max_items is None else max(node.max_items, 0), element=element)


def _map(node: Node) -> Decl | None:
    assert node.additional is not None
    element = declare(node.additional, is_root=node.additional.embedded)
    if element is None:
        return None
    default = (MAX_REQUEST_SIZE - 2) // (element.min_size + 6)
    return Decl("map", default if node.max_properties is None else max(node.max_properties, 0), element=element)


def _object(node: Node, *, is_root: bool) -> Decl:
    result = Decl("object")
    for name, child in node.properties.items():
        element = declare(child, is_root=child.embedded)
        if element is None:
            continue
        element.nullable = child.nullable
        escaped = escape(name)
        if escaped is not None:
            result.fields[escaped] = element
            result.names[name] = escaped
            if name in RESERVED:
                result.fields[name] = element  # the parser takes reserved words as fields, too
        if name in node.required and child.default is MISSING:
            result.min_size += len(name) + element.min_size + 4
    if is_root:
        _add_meta(result)
    return result


def _add_meta(result: Decl) -> None:
    text = Decl("string", MAX_REQUEST_SIZE - 2)
    metadata = result.fields.get("metadata")
    known = metadata.fields if metadata is not None else {}
    meta_fields = {"name": known.get("name", text), "generateName": known.get("generateName", text)}
    meta = Decl("object", fields=meta_fields, names={n: n for n in meta_fields})
    for name, element in (("apiVersion", text), ("kind", text), ("metadata", meta)):
        if name == "metadata" or name not in result.fields:
            result.fields[name] = element
            result.names[name] = name


def _string(node: Node) -> Decl:
    if node.format == "duration":
        return Decl("duration", 32, 3, format=node.format)
    if node.format in ("date", "date-time"):
        size, smallest = (12, 12) if node.format == "date" else (32, 21)
        return Decl("timestamp", size, smallest, format=node.format)
    if node.format == "byte":
        limit = MAX_REQUEST_SIZE - 2 if node.max_length is None else node.max_length
        return Decl("bytes", max(limit, 0), format=node.format)
    if node.max_length is not None:
        return Decl("string", max(node.max_length, 0) * 4)
    if node.enum:
        return Decl("string", max((len(v.encode()) for v in node.enum if isinstance(v, str)), default=0))
    return Decl("string", MAX_REQUEST_SIZE - 2)
