"""apiVersion and kind of resources that are embedded in others."""

import re
from collections.abc import Iterator
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import Node

_KIND: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_KIND_RULE: Final = (
    "may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric "
    "characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  "
    "or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def check_embedded(value: Any, node: Node | None, path: str) -> Iterator[FieldError]:
    """Errors of all embedded resources at and below a value."""
    if node is None or not node.embedded_below:
        return
    if isinstance(value, dict):
        if node.embedded:
            yield from _check_resource(value, path)
        for name, item in value.items():
            if isinstance(item, dict | list):
                child_path = f"{path}.{name}" if path else name
                yield from check_embedded(item, node.child(name), child_path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from check_embedded(item, node.items, f"{path}[{index}]")


def _check_resource(value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        where = f"{path}.{name}"
        text = value.get(name)
        if name not in value:
            yield errors.required(where)
        elif not isinstance(text, str):
            yield errors.invalid(where, text, "must be a string")
        elif not text:
            yield errors.invalid(where, text, "must not be empty")
        elif name == "apiVersion" and text.count("/") > 1:
            yield errors.invalid(where, text, f"unexpected GroupVersion string: {text}")
        elif name == "kind" and (len(text) > 63 or not _KIND.match(text.lower())):
            yield errors.invalid(where, text, _KIND_RULE)
