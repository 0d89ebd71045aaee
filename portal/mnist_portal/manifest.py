"""A training's manifest: as somebody applied it, as the API server completed it, and what of it differs. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from mnist_kube.objects import Object

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_SET = ("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")
_OPERATORS = ("mnist-operator", "kopf")


def effective(obj: Object) -> Object:
    """Return the object as it holds: with the defaults, without what only the server sets and says."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_SET}
    notes = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key != _LAST_APPLIED}
    if notes:
        metadata["annotations"] = notes
    kept: Object = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    return {**kept, "metadata": metadata, "spec": obj.get("spec") or {}}


def applied(obj: Object) -> Object:
    """Return the object as people and tools wrote it: without defaults, as far as the server remembers who wrote what.

    That is kubectl's own note of the last `apply`, or the fields that managers own.
    """
    note = (obj["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if note:
        try:
            return effective(json.loads(note))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
    owned: dict[str, Any] = {}
    for entry in obj["metadata"].get("managedFields") or []:
        if entry.get("subresource") or str(entry.get("manager")).startswith(_OPERATORS):
            continue
        _merge(owned, entry.get("fieldsV1") or {})
    whole = effective(obj)
    spec = _picked(whole["spec"], owned.get("f:spec") or {}) if owned else whole["spec"]
    return {**whole, "spec": spec if isinstance(spec, dict) else {}}


def to_yaml(obj: Mapping[str, Any]) -> str:
    """Return an object as YAML, in its own order."""
    return str(yaml.safe_dump(dict(obj), sort_keys=False, allow_unicode=True, width=100))


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested objects by their paths, such as training.epochs."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    result: dict[str, Any] = {}
    for key, item in value.items():
        result |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return result


def differences(specs: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    """Return each path at which the specs differ, with the value in each (None where one has none)."""
    leaves = [flat(spec) for spec in specs]
    paths = dict.fromkeys(path for one in leaves for path in one)
    rows = [(path, [one.get(path) for one in leaves]) for path in paths]
    return [(path, values) for path, values in rows if any(value != values[0] for value in values)]


def _merge(into: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for key, below in fields.items():
        place = into.setdefault(key, {})
        if isinstance(below, Mapping):
            _merge(place, below)


def _picked(value: Any, fields: Mapping[str, Any]) -> Any:
    """What of a value the fields of `managedFields` name; lists are kept whole, for they are owned by their items."""
    names = {key[2:]: below for key, below in fields.items() if key.startswith("f:")}
    if not isinstance(value, dict) or not names:
        return value
    return {key: _picked(value[key], below) for key, below in names.items() if key in value}
