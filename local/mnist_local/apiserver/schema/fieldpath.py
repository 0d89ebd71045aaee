"""The `fieldPath` of a validation rule: ".spec.labels['a.b']"."""

import re

from mnist_local.apiserver.schema.node import Node

_TOKEN = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


def normalize_field_path(path: str, node: Node) -> str | None:
    """The path as errors print it ("spec.labels[a.b]"), or None when the schema has no such field."""
    normalized = ""
    position = 0
    current: Node | None = node
    while position < len(path):
        matched = _TOKEN.match(path, position)
        if matched is None or current is None:
            return None
        position = matched.end()
        name = matched[1] if matched[1] is not None else _ESCAPED.sub(lambda m: _ESCAPES.get(m[1], m[1]), matched[2])
        if current.properties:
            current = current.properties.get(name)
            if current is None:
                return None
            normalized += f".{name}" if normalized else name
        elif current.additional_given:
            current = current.additional
            normalized += f"[{name}]"
        else:
            return None
    return normalized or None
