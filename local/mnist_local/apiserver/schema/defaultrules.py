"""Defaults must be valid themselves."""

from collections.abc import Iterator
from typing import Any

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.jsonvalue import copy, same
from mnist_local.apiserver.schema.node import MISSING, Node
from mnist_local.apiserver.schema.pruning import prune
from mnist_local.apiserver.schema.rulecheck import check_rules
from mnist_local.apiserver.schema.values import check


def check_defaults(node: Node, path: str) -> Iterator[FieldError]:
    """Errors of all defaults of a schema; run it after rules are compiled. None may stand in additionalProperties."""
    if node.default is not MISSING:
        yield from _check_default(node, node.default, f"{path}.default")
    if node.items is not None:
        yield from check_defaults(node.items, f"{path}.items")
    for name, child in node.properties.items():
        yield from check_defaults(child, f"{path}.properties[{name}]")


def _check_default(node: Node, default: Any, path: str) -> Iterator[FieldError]:
    pruned = copy(default)
    prune(pruned, node, is_root=node.embedded)
    if not same(pruned, default):
        yield errors.invalid(path, default, "must not have unknown fields")
    found = check(node, default, "")
    if not found:
        found = list(check_rules(node, default, default, "")) or list(check_rules(node, default, None, ""))
    yield from (error.below(path) for error in found)
