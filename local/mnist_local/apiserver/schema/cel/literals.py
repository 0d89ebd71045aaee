"""Checks of literals that Kubernetes makes when it compiles an expression: patterns, times, and lists of one type."""

import re
from collections.abc import Iterator
from typing import Final

from google.protobuf import timestamp_pb2

from mnist_local.apiserver.schema.cel.ast import CheckedAst, Expr, Type
from mnist_local.apiserver.schema.values import pattern_error

_DURATION: Final = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)\Z")


def check_literals(ast: CheckedAst, source: str) -> str:
    """What is wrong with the literals, as the compiler would show it, or ""."""
    return "\n".join(_report(message, ast.positions.get(expr.id, 0), source) for message, expr in _check(ast, ast.expr))


def _check(ast: CheckedAst, expr: Expr, *, mixed: bool = False) -> Iterator[tuple[str, Expr]]:
    if expr.kind == "call":
        yield from _check_call(expr)
    elif expr.kind == "list" and not mixed:
        yield from _check_same_type(ast, expr.args)
    elif expr.kind == "map" and not expr.name:
        yield from _check_same_type(ast, expr.args[::2])
        yield from _check_same_type(ast, expr.args[1::2])
    for sub in (expr.target, *expr.args):
        if sub is not None:
            yield from _check(ast, sub, mixed=expr.kind == "call" and expr.name == "format")


def _check_call(expr: Expr) -> Iterator[tuple[str, Expr]]:
    literal = expr.args[-1] if expr.args else None
    if literal is None or not isinstance(literal.value, str):
        return
    is_wrong = (
        (expr.name == "matches" and pattern_error(literal.value) != "")
        or (expr.name == "duration" and not _DURATION.match(literal.value))
        or (expr.name == "timestamp" and not _is_timestamp(literal.value))
    )
    if is_wrong:
        yield f"invalid {expr.name} argument", literal


def _is_timestamp(text: str) -> bool:
    try:
        timestamp_pb2.Timestamp().FromJsonString(text)
    except ValueError:
        return False
    return True


def _check_same_type(ast: CheckedAst, values: list[Expr]) -> Iterator[tuple[str, Expr]]:
    expected: Type | None = None
    for value in values:
        actual = ast.types.get(value.id)
        if actual is None or actual.kind in ("dyn", "param"):
            continue
        if expected is None:
            expected = actual
        elif actual.kind != expected.kind:
            yield f"expected type '{expected.kind}' but found '{actual.kind}'", value


def _report(message: str, position: int, source: str) -> str:
    before = source[:position]
    line, column = before.count("\n") + 1, position - (before.rfind("\n") + 1)
    text = source.split("\n")[line - 1]
    return f"ERROR: <input>:{line}:{column + 1}: {message}\n | {text}\n | {'.' * column}^"
