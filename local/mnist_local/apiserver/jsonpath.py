"""The JSONPath of printer columns and `kubectl`: fields, indexes, slices, wildcards, unions, filters, descent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_NAME = re.compile(r"(?:\\.|[^.\[\]\\])+")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d+))?")
_FILTER = re.compile(r"\?\(\s*@(?P<path>[^=!<>]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+?)\s*)?\)", re.DOTALL)


class PathError(ValueError):
    """A path that cannot be read."""


@lru_cache(maxsize=1024)
def compile_path(text: str) -> tuple[Step, ...]:
    """Compile `.status.conditions[?(@.type=="Ready")].status` and the like.

    Raises:
        PathError: it cannot be read.
    """
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = text.removeprefix("$")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        if text.startswith("..", position):
            steps.append(_descend)
            position += 2
            position = _read_name(text, position, steps) if text[position : position + 1] != "[" else position
        elif text[position] == ".":
            position = _read_name(text, position + 1, steps)
        elif text[position] == "[":
            end = _closing(text, position)
            steps.append(_bracket(text[position + 1 : end].strip()))
            position = end + 1
        elif position == 0:
            position = _read_name(text, 0, steps)
        else:
            raise PathError(f"unexpected {text[position]!r} in {text!r}")
    return tuple(steps)


def find(obj: Any, path: str) -> list[Any]:
    """Return what a path finds; nothing where a part is missing.

    Raises:
        PathError: the path cannot be read.
    """
    values = [obj]
    for step in compile_path(path):
        values = [found for value in values for found in step(value)]
    return values


def _read_name(text: str, position: int, steps: list[Step]) -> int:
    found = _NAME.match(text, position)
    if not found:
        if position >= len(text):
            return position
        raise PathError(f"a name is missing in {text!r}")
    name = re.sub(r"\\(.)", r"\1", found[0])
    steps.append(_every if name == "*" else _member(name))
    return found.end()


def _closing(text: str, start: int) -> int:
    depth = 0
    quote = ""
    for index in range(start, len(text)):
        char = text[index]
        if quote:
            quote = "" if char == quote and text[index - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return index
    raise PathError(f"unterminated array in {text!r}")


def _bracket(inner: str) -> Step:
    if inner == "*":
        return _every
    if inner.startswith("?"):
        return _filter(inner)
    if inner[:1] in "\"'" and inner[-1:] == inner[:1] and "," not in inner:
        return _member(inner[1:-1])
    if found := _SLICE.fullmatch(inner):
        bounds = tuple(int(part) if part else None for part in found.groups())
        return _items(slice(*bounds))
    if re.fullmatch(r"-?\d+(\s*,\s*-?\d+)*", inner):
        return _indexes([int(part) for part in inner.split(",")])
    if re.fullmatch(r"""(['"])[^'"]*\1(\s*,\s*(['"])[^'"]*\3)*""", inner):
        names = [part.strip()[1:-1] for part in inner.split(",")]
        return lambda value: (found for name in names for found in _member(name)(value))
    raise PathError(f"invalid array index {inner}")


def _member(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and value.get(name) is not None:
            yield value[name]

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _indexes(indexes: list[int]) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            for index in indexes:
                if -len(value) <= index < len(value):
                    yield value[index]

    return step


def _items(bounds: slice) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[bounds]

    return step


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for inner in _every(value):
        yield from _descend(inner)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    ">": lambda left, right: bool(left > right),
    "<=": lambda left, right: bool(left <= right),
    ">=": lambda left, right: bool(left >= right),
}


def _filter(inner: str) -> Step:
    found = _FILTER.fullmatch(inner)
    if not found:
        raise PathError(f"unrecognized filter {inner}")
    path, operator, literal = found["path"].strip(), found["op"], found["value"]
    wanted = _literal(literal) if literal is not None else None
    compile_path(path)

    def step(value: Any) -> Iterator[Any]:
        for item in _every(value):
            seen = find(item, path)
            if operator is None:
                if seen:
                    yield item
            elif seen and type(seen[0]) is type(wanted) and _COMPARE[operator](seen[0], wanted):
                yield item

    return step


def _literal(text: str) -> Any:
    if text[:1] == "'" and text[-1:] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        raise PathError(f"unrecognized value {text} in a filter") from None


def as_text(value: Any) -> str:
    """Return a value as JSONPath prints it: text bare, everything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
