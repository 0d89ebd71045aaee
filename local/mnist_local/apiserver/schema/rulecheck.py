"""Running the validation rules of a schema on an object."""

import logging
from collections.abc import Iterator
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.cel.program import CelError, Program
from mnist_local.apiserver.schema.correlate import Correlated, item_key, keyed_items
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import Node, Rule
from mnist_local.apiserver.schema.rules import CompiledRule, NodeRules

_LOG: Final = logging.getLogger(__name__)
_MAX_MESSAGE: Final = 5 * 1024


class _Pair:
    """The correlated values of a place, or of the nearest place above that has them (for ratcheting)."""

    __slots__ = ("current", "parent")

    def __init__(self, current: Correlated | None, parent: Correlated | None) -> None:
        self.current, self.parent = current, parent

    def unchanged(self) -> bool:
        pair = self.current if self.current is not None else self.parent
        return pair is not None and pair.unchanged()

    def key(self, name: str) -> "_Pair":
        if self.current is None:
            return self
        if self.parent is None and name in ("apiVersion", "kind"):
            return _NO_PAIR
        return _Pair(self.current.key(name), self.current)

    def index(self, index: int) -> "_Pair":
        return self if self.current is None else _Pair(self.current.index(index), self.current)


_NO_PAIR: Final = _Pair(None, None)


def check_rules(
    node: Node, value: Any, old: Any, path: str, correlated: Correlated | None = None
) -> Iterator[FieldError]:
    """Errors of all rules at and below a node.

    `old` is the former value, None when there is none (transition rules do not run then). With `correlated`, failures
    of rules without `oldSelf` on unchanged values are tolerated.
    """
    yield from _check(node, value, old, path, _Pair(correlated, None))


def _check(node: Node, value: Any, old: Any, path: str, pair: _Pair) -> Iterator[FieldError]:
    compiled: NodeRules | None = node.cel
    if compiled is None or value is None:
        return
    if compiled.rules:
        yield from _run(node, compiled, value, old, path, pair)
    if not compiled.below:
        return
    if isinstance(value, dict):
        yield from _check_fields(node, value, old if isinstance(old, dict) else {}, path, pair)
    elif isinstance(value, list) and node.items is not None:
        olds = keyed_items(node, old) if node.list_type == "map" else {}
        for index, item in enumerate(value):
            old_item = olds.get(item_key(node, item)) if olds else None
            yield from _check(node.items, item, old_item, f"{path}[{index}]", pair.index(index))


def _check_fields(
    node: Node, value: dict[str, Any], old: dict[str, Any], path: str, pair: _Pair
) -> Iterator[FieldError]:
    properties = node.properties
    for name, item in value.items():
        child = properties.get(name)
        if child is not None:
            yield from _check(child, item, old.get(name), f"{path}.{name}" if path else name, pair.key(name))
        elif node.additional is not None:
            yield from _check(node.additional, item, old.get(name), f"{path}[{name}]", pair.key(name))


def _run(node: Node, compiled: NodeRules, value: Any, old: Any, path: str, pair: _Pair) -> Iterator[FieldError]:
    convert = compiled.convert
    variables = {"self": value if convert is None else convert(value)}
    if old is not None:
        variables["oldSelf"] = old if convert is None else convert(old)
    activations: dict[tuple[str, ...], Any] = {}
    for rule in compiled.rules:
        if rule.uses_old_self and old is None and not rule.rule.optional_old_self:
            continue
        activation = activations.get(rule.program.optional)
        if activation is None:
            activation = activations[rule.program.optional] = rule.program.activation(variables)
        try:
            if rule.program.evaluate(activation) is True:
                continue
        except CelError as error:
            yield errors.invalid(path, node.type, _failure_text(str(error), rule.rule))
            continue
        if not rule.uses_old_self and pair.unchanged():
            continue
        where = path
        if rule.field_path:
            joint = "" if rule.field_path.startswith("[") or not path else "."
            where = f"{path}{joint}{rule.field_path}"
        shown = errors.OMIT if node.type in ("object", "array") else value
        yield _refusal(rule.rule.reason, where, shown, _message(rule, activation))


def _failure_text(error: str, rule: Rule) -> str:
    name = (rule.message or rule.rule).strip()
    if error.startswith("no such overload"):
        why = "call arguments did not match a supported operator, function or macro signature"
        return f"'{error}': {why} for rule: {name}"
    if error.startswith("operation cancelled: actual cost limit exceeded"):
        return f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {name}"
    return f"{error} evaluating rule: {name}"


def _refusal(reason: str, path: str, value: Any, detail: str) -> FieldError:
    if reason == errors.FORBIDDEN:
        return errors.forbidden(path, detail)
    if reason == errors.REQUIRED:
        return errors.required(path, detail)
    if reason == errors.DUPLICATE:
        return errors.duplicate(path, value)
    return errors.invalid(path, value, detail)


def _message(rule: CompiledRule, activation: Any) -> str:
    if rule.message is not None:
        text = _evaluated_message(rule.message, activation)
        if text:
            return text
    return rule.rule.message.strip() or f"failed rule: {rule.rule.rule.strip()}"


def _evaluated_message(program: Program, activation: Any) -> str:
    """The message, or "" where the server would fall back to the fixed one."""
    try:
        text = program.evaluate(activation)
    except CelError as error:
        _LOG.debug("messageExpression evaluation failed: %s", error)
        return ""
    text = text.strip() if isinstance(text, str) else ""
    return "" if len(text.encode()) > _MAX_MESSAGE or "\n" in text else text
