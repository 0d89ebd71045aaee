"""The CEL rules (`x-kubernetes-validations`) of a schema: compiled once with it, run on every write.

A rule stands at a node and sees that place as `self`. One that names `oldSelf` is a transition rule: it runs only where
the place had a value before, so it never keeps an object from being created.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.cel import CelError, CompileError, Program, activation
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import MISSING, Correlated, Node

_REASONS: Final = (errors.DUPLICATE, errors.FORBIDDEN, errors.INVALID, errors.REQUIRED)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule ready to run."""

    program: Program
    message: str
    reason: str
    field_path: str
    is_transition: bool


def compile_rules(node: Node, path: str) -> Iterator[FieldError]:
    """Set `Node.rules` throughout a schema; yields what is wrong with its rules."""
    children = [(f"{path}.properties[{name}]", child) for name, child in node.properties.items()]
    children += [(f"{path}.items", node.items)] if node.items is not None else []
    children += [(f"{path}.additionalProperties", node.additional)] if node.additional is not None else []
    for where, child in children:
        yield from compile_rules(child, where)
    compiled = []
    for index, source in enumerate(node.source.get("x-kubernetes-validations") or ()):
        try:
            compiled.append(_compile(source))
        except _BadRule as bad:
            where = f"{path}.x-kubernetes-validations[{index}].{bad.field}"
            yield errors.invalid(where, source.get(bad.field), str(bad))
    if compiled or any(child.rules is not None for _, child in children):
        node.rules = compiled


class _BadRule(ValueError):  # noqa: N818 (not for users)
    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def _compile(source: Mapping[str, Any]) -> Rule:
    try:
        program = Program.compile(source.get("rule") or "")
    except CompileError as error:
        raise _BadRule("rule", f"compilation failed: {error}") from None
    if program.result_type not in ("BOOL", "DYN"):
        raise _BadRule("rule", f"must evaluate to a bool, not to {program.result_type.lower()}")
    reason = source.get("reason") or errors.INVALID
    if reason not in _REASONS:
        raise _BadRule("reason", f"must be one of {', '.join(_REASONS)}")
    message = (source.get("message") or "").strip() or f"failed rule: {program.source.strip()}"
    field_path = (source.get("fieldPath") or "").removeprefix(".")
    return Rule(program, message, reason, field_path, program.uses("oldSelf"))


def check_rules(pair: Correlated, path: str, *, settled: bool = False) -> Iterator[FieldError]:
    """Errors of all rules at and below a place.

    Where a value is as it was (`settled`: it belongs to one that is) only transition rules run.
    """
    node = pair.node
    if node is None or node.rules is None or pair.new is None:
        return
    settled = settled or pair.unchanged
    if node.rules:
        yield from _run([rule for rule in node.rules if rule.is_transition or not settled], pair, path)
    if isinstance(pair.new, dict):
        for name in pair.new:
            child = node.child(name)
            if child is not None and child.rules is not None:
                yield from check_rules(pair.child(name), f"{path}.{name}" if path else name, settled=settled)
    elif isinstance(pair.new, list) and node.items is not None and node.items.rules is not None:
        for index in range(len(pair.new)):
            yield from check_rules(pair.item(index), f"{path}[{index}]", settled=settled)


def _run(rules: list[Rule], pair: Correlated, path: str) -> Iterator[FieldError]:
    variables = {"self": pair.new}
    has_past = pair.old is not MISSING and pair.old is not None
    if has_past:
        variables["oldSelf"] = pair.old
    seen = activation(variables) if rules else variables
    for rule in rules:
        if rule.is_transition and not has_past:
            continue
        try:
            if rule.program.evaluate(seen) is True:
                continue
            detail = rule.message
        except CelError as error:
            detail = f"{error} evaluating rule: {rule.message}"
        yield _refusal(rule, f"{path}.{rule.field_path}".strip("."), pair.new, detail)


def _refusal(rule: Rule, path: str, value: Any, detail: str) -> FieldError:
    if rule.reason == errors.FORBIDDEN:
        return errors.forbidden(path, detail)
    if rule.reason == errors.REQUIRED:
        return errors.required(path, detail)
    if rule.reason == errors.DUPLICATE:
        return errors.duplicate(path, value)
    return errors.invalid(path, errors.OMIT if isinstance(value, dict | list) else value, detail)
