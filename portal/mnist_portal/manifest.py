"""A training's manifest: as somebody applied it, as the API server completed it, and what of it differs. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from mnist_kube.objects import Object
from mnist_operator.api.spec import parse_spec

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_SET = ("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")


def effective(obj: Object) -> Object:
    """Return the object as it holds: with the defaults, without what only the server sets and says."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_SET}
    notes = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key != _LAST_APPLIED}
    if notes:
        metadata["annotations"] = notes
    spec = _with_defaults(obj.get("spec") or {})
    kept: Object = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    return {**kept, "metadata": metadata, "spec": spec}


def applied(obj: Object, schema: Mapping[str, Any]) -> Object:
    """Return the object as people and tools wrote it, as far as the server remembers.

    That is kubectl's own note of the last `apply`, or the fields that were applied. What was created is taken without
    what are the defaults of `schema`, the spec's: the same training in the fewest words.
    """
    note = (obj["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if note:
        try:
            said = json.loads(note)
            return {**effective(said), "spec": said.get("spec") or {}}
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
    whole = {**effective(obj), "spec": obj.get("spec") or {}}
    owned: dict[str, Any] = {}
    for entry in obj["metadata"].get("managedFields") or []:
        if entry.get("operation") == "Apply" and not entry.get("subresource"):
            _merge(owned, entry.get("fieldsV1") or {})
    if owned:
        picked = _picked(whole["spec"], owned.get("f:spec") or {})
        return {**whole, "spec": picked if isinstance(picked, dict) else {}}
    return {**whole, "spec": without_defaults(whole["spec"], schema)}


def without_defaults(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what its schema would put there by itself."""
    kept: dict[str, Any] = {}
    for key, item in value.items():
        below = (schema.get("properties") or {}).get(key) or {}
        if item == below.get("default"):
            continue
        if isinstance(item, dict) and below.get("properties"):
            item = without_defaults(item, below)
            if not item and key not in (schema.get("required") or ()):
                continue
        kept[key] = item
    return kept


def to_yaml(obj: Mapping[str, Any]) -> str:
    """Return an object as YAML, in its own order."""

    def dumped(unicode: bool) -> str:
        return str(yaml.safe_dump(dict(obj), sort_keys=False, allow_unicode=unicode, width=100))

    text = dumped(unicode=True)
    # Characters that YAML takes for the end of a line are written as they are, and read as another.
    return dumped(unicode=False) if any(mark in text for mark in "\x85\u2028\u2029") else text


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


def _with_defaults(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with what holds where nobody has said anything; as it is where these models do not know it."""
    try:
        whole: dict[str, Any] = parse_spec(spec).model_dump(mode="json", by_alias=True, exclude_none=True)
    except ValidationError:
        return spec
    return whole


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
