"""The checked syntax tree of a CEL expression, read from the runtime's serialised form.

Source: cel-spec's `cel/expr/checked.proto` and `syntax.proto` (field numbers below). Only what cost estimation needs is
kept; a message is read as {field number: [values]}.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_PRIMITIVES = ("", "bool", "int", "uint", "double", "string", "bytes")
_WELL_KNOWN = ("", "any", "timestamp", "duration")


@dataclass(slots=True)
class Expr:
    """One node; `kind` says which of the other fields count."""

    id: int
    kind: str
    """const, ident, select, call, list, map or comprehension."""
    name: str = ""
    """Identifier, field or function; of a comprehension the accumulator."""
    value: Any = None
    target: "Expr | None" = None
    args: list["Expr"] = field(default_factory=list)
    """Arguments, elements, or keys and values in turn; of a comprehension range, init, condition, step, result."""
    test_only: bool = False
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Type:
    """A checked type: `kind` is int, string, list, map, struct, dyn, opaque, ..."""

    kind: str
    name: str = ""
    params: tuple["Type", ...] = ()


DYN = Type("dyn")


@dataclass(slots=True)
class CheckedAst:
    """An expression with its types, the names it refers to and the overloads of its calls, by expression id."""

    expr: Expr
    types: dict[int, Type]
    names: set[str]
    overloads: dict[int, list[str]]
    positions: dict[int, int]
    """Where expressions stand, in characters."""


Message = dict[int, list[Any]]


def decode(serialized: bytes) -> CheckedAst:
    """Read what `Expression.serialize()` gives (a CheckedExpr in an Any)."""
    checked = _message(_message(serialized)[2][0])
    names: set[str] = set()
    overloads: dict[int, list[str]] = {}
    for entry in checked.get(2, ()):
        key, reference = _entry(entry)
        if 1 in reference:
            names.add(reference[1][0].decode())
        overloads[key] = [o.decode() for o in reference.get(3, ())]
    types = {key: _type(value) for key, value in map(_entry, checked.get(3, ()))}
    info = _message(checked[5][0]) if 5 in checked else {}
    positions = {entry.get(1, [0])[0]: entry.get(2, [0])[0] for entry in map(_message, info.get(4, ()))}
    return CheckedAst(_expr(_message(checked[4][0])), types, names, overloads, positions)


def _entry(data: bytes) -> tuple[int, Message]:
    entry = _message(data)
    return entry.get(1, [0])[0], _message(entry[2][0]) if 2 in entry else {}


def _message(data: bytes) -> Message:
    fields: Message = {}
    for number, value in _fields(data):
        fields.setdefault(number, []).append(value)
    return fields


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = _varint(data, position)
            yield number, value
        elif wire_type == 2:
            length, position = _varint(data, position)
            yield number, data[position : position + length]
            position += length
        elif wire_type == 1:
            yield number, struct.unpack_from("<d", data, position)[0]
            position += 8
        else:
            raise ValueError(f"unexpected wire type {wire_type}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _type(message: Message) -> Type:
    for number, values in message.items():
        value = values[0]
        if number in (2, 5) or number == 3:
            names = {2: ("null",), 3: _PRIMITIVES, 5: _WELL_KNOWN}[number]
            return Type(names[value] if value < len(names) else "dyn")
        if number == 4:
            return Type("wrapper")
        if number == 6:
            return Type("list", params=(_sub_type(value, 1),))
        if number == 7:
            return Type("map", params=(_sub_type(value, 1), _sub_type(value, 2)))
        if number == 9:
            return Type("struct", value.decode())
        if number == 10:
            return Type("param", value.decode())
        if number == 14:
            abstract = _message(value)
            params = tuple(_type(_message(p)) for p in abstract.get(2, ()))
            return Type("opaque", abstract[1][0].decode(), params)
    return DYN


def _sub_type(data: bytes, number: int) -> Type:
    message = _message(data)
    return _type(_message(message[number][0])) if number in message else DYN


def _expr(message: Message) -> Expr:
    expr_id = message.get(2, [0])[0]
    for number, read in _READERS.items():
        if number in message:
            return read(expr_id, _message(message[number][0]))
    return Expr(expr_id, "const")


def _text(message: Message, number: int) -> str:
    return str(message[number][0].decode()) if number in message else ""


def _sub(message: Message, number: int) -> Expr:
    return _expr(_message(message[number][0])) if number in message else Expr(0, "const")


def _const(expr_id: int, message: Message) -> Expr:
    value: Any = None
    for number, values in message.items():
        value = values[0]
        if number == 3:
            value = value - (1 << 64) if value >= 1 << 63 else value
        elif number == 2:
            value = bool(value)
        elif number == 6:
            value = value.decode()
        elif number == 1:
            value = None
    return Expr(expr_id, "const", value=value)


def _ident(expr_id: int, message: Message) -> Expr:
    return Expr(expr_id, "ident", name=_text(message, 1))


def _select(expr_id: int, message: Message) -> Expr:
    test_only = bool(message.get(3, [0])[0])
    return Expr(expr_id, "select", name=_text(message, 2), target=_sub(message, 1), test_only=test_only)


def _call(expr_id: int, message: Message) -> Expr:
    target = _sub(message, 1) if 1 in message else None
    return Expr(expr_id, "call", name=_text(message, 2), target=target, args=_all(message, 3))


def _all(message: Message, number: int) -> list[Expr]:
    return [_expr(_message(data)) for data in message.get(number, ())]


def _list(expr_id: int, message: Message) -> Expr:
    return Expr(expr_id, "list", args=_all(message, 1))


def _struct(expr_id: int, message: Message) -> Expr:
    args: list[Expr] = []
    for data in message.get(2, ()):
        entry = _message(data)
        args += [_sub(entry, 3), _sub(entry, 4)]
    return Expr(expr_id, "map", name=_text(message, 1), args=args)


def _comprehension(expr_id: int, message: Message) -> Expr:
    variables = tuple(_text(message, number) for number in (1, 8) if number in message)
    args = [_sub(message, number) for number in (2, 4, 5, 6, 7)]
    return Expr(expr_id, "comprehension", name=_text(message, 3), args=args, variables=variables)


_READERS = {3: _const, 4: _ident, 5: _select, 6: _call, 7: _list, 8: _struct, 9: _comprehension}
