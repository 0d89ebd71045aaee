"""Server-side apply, and the field ownership that goes with it (KEP-555).

A manager's entry in `metadata.managedFields` lists the places that it last set. Every write moves what it changes into
the writer's entry. Applying again without a field removes it, unless another manager has it, too; setting a field that
another manager has to another value is a conflict.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from mnist_kube.times import timestamp
from mnist_local.apiserver.patch.documents import PatchError
from mnist_local.apiserver.patch.places import (
    Fields,
    Path,
    TypedError,
    compare,
    contains,
    merge,
    paths,
    places_of,
    remove,
    show,
    tree,
)
from mnist_local.apiserver.schema import Schema
from mnist_local.apiserver.schema.errors import compact
from mnist_local.apiserver.schema.node import MISSING, copy
from mnist_local.apiserver.schema.objects import wrong_types

Obj = dict[str, Any]
Key = tuple[str, str, str]
"""Manager, operation ("Apply" or "Update"), subresource."""
_META: Final = "f:metadata"
_TYPES: Final = {"object": "map", "array": "list", "integer": "numeric", "number": "numeric", "boolean": "bool"}
_UNTRACKED: Final = frozenset(
    [("f:apiVersion",), ("f:kind",), (_META,)]
    + [
        (_META, f"f:{name}")
        for name in (
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields",
            "resourceVersion",
        )
    ]
)  # fmt: skip
"""The server sets it, or it names the object: nobody's."""


class ApplyConflict(Exception):  # noqa: N818 (the API's own name)
    """Fields that other managers have set to other values.

    `conflicts` has (manager as messages name it, field path); in a Status each is a cause of type FieldManagerConflict
    with message `conflict with <manager>` and field `<path>`. `message` is the API server's sentence.
    """

    def __init__(self, conflicts: Sequence[tuple[str, str]]) -> None:
        self.conflicts = sorted(conflicts)
        listed = ", ".join(f"conflict with {manager}: {path}" for manager, path in self.conflicts)
        count = len(self.conflicts)
        self.message = f"Apply failed with {count} conflict{'s' * (count > 1)}: {listed}"
        super().__init__(self.message)


class _Managers:
    """The entries of `managedFields` by key; those that are given are never written to."""

    def __init__(self, obj: Mapping[str, Any] | None) -> None:
        self._entries: dict[Key, Obj] = {}
        for entry in ((obj or {}).get("metadata") or {}).get("managedFields") or ():
            if isinstance(entry.get("fieldsV1"), dict):
                key = (str(entry.get("manager", "")), entry.get("operation", ""), entry.get("subresource", ""))
                self._entries[key] = entry

    def __bool__(self) -> bool:
        return bool(self._entries)

    def fields(self, key: Key) -> Fields:
        found: Fields = self._entries[key]["fieldsV1"] if key in self._entries else {}
        return found

    def owned_by_others(self, key: Key) -> set[Path]:
        return {path for other in self._entries if other != key for path in paths(self.fields(other))}

    def conflicts(self, key: Key, places: Iterable[Path]) -> list[tuple[str, str]]:
        return [
            (self._name(other), show(path))
            for other in self._entries
            if other != key
            for path in places
            if contains(self.fields(other), path)
        ]

    def _name(self, key: Key) -> str:
        manager, operation, subresource = key
        text = compact(manager) + (f' with subresource "{subresource}"' if subresource else "")
        return f"{text} using {self._entries[key]['apiVersion']}" if operation == "Update" else text

    def take(self, places: set[Path], keep: Key | None = None) -> None:
        """Take places from everybody (but `keep`); who has none left is forgotten."""
        for key in [key for key in self._entries if key != keep]:
            had = {path for path in places if contains(self.fields(key), path)}
            if had and (rest := set(paths(self.fields(key))) - had):
                self._entries[key] = {**self._entries[key], "fieldsV1": tree(rest)}
            elif had:
                del self._entries[key]

    def put(self, key: Key, fields: Fields, api_version: str, time: str) -> None:
        if not fields:
            self._entries.pop(key, None)
            return
        manager, operation, subresource = key
        self._entries[key] = {
            "manager": manager, "operation": operation, "apiVersion": api_version, "time": time,
            "fieldsType": "FieldsV1", "fieldsV1": fields, **({"subresource": subresource} if subresource else {}),
        }  # fmt: skip

    def time(self, key: Key) -> str:
        return str(self._entries.get(key, {}).get("time", ""))

    def listed(self) -> list[Obj]:
        """The `managedFields`, in the API's order."""
        order = ("operation", "time", "manager", "apiVersion", "subresource")
        return sorted(self._entries.values(), key=lambda entry: [entry.get(name, "") for name in order])


def update_managed_fields(
    schema: Schema, old: Obj | None, new: Obj, manager: str, subresource: str = "", now: datetime | None = None
) -> list[Obj]:
    """The `managedFields` of `new` after a create (`old` is None), update or patch by `manager`.

    A client resets them by `[{}]`; an object whose fields nobody tracks stays so.

    Raises:
        TypedError: items of a list cannot be told apart.
    """
    managers = _Managers(old)
    if (old is not None and not managers) or (new.get("metadata") or {}).get("managedFields") in ([], [{}]):
        return []
    changes = compare(schema.merge_root, _untracked(old or {}), _untracked(new))
    if subresource == "status":
        changes.touched = {path for path in changes.touched if path[0] == "f:status"}
        changes.removed = {path for path in changes.removed if path[0] == "f:status"}
    mine = changes.touched - _UNTRACKED
    key = (manager, "Update", subresource)
    managers.take(changes.touched, keep=key)
    managers.take(changes.removed)
    if mine:
        fields = tree({*paths(managers.fields(key)), *mine})
        managers.put(key, fields, str(new.get("apiVersion", "")), timestamp(now))
    return managers.listed()


def server_side_apply(
    schema: Schema,
    live: Obj | None,
    applied: Obj,
    manager: str,
    force: bool,
    subresource: str = "",
    now: datetime | None = None,
    *,
    ignore_status: bool = False,
) -> Obj:
    """Apply a configuration to an object (None to create it); returns the new object with its `managedFields`.

    `ignore_status` keeps the configuration's status out, as for the main resource of a kind with a status subresource.

    Raises:
        ApplyConflict: other managers have set fields to other values, and `force` is off.
        PatchError: 500 the configuration does not fit the schema, 400 it brings managed fields along.
    """
    _check_types(schema, applied)
    left_out = "status" if ignore_status else "spec" if subresource == "status" else ""
    applied = {name: value for name, value in applied.items() if name != left_out}
    key = (manager, "Apply", subresource)
    managers = _Managers(live)
    base = _untracked(live or {})
    try:
        mine = set(places_of(schema.merge_root, applied)) - _UNTRACKED
        if subresource == "status":
            mine = {path for path in mine if path[0] == "f:status"}
        abandoned = _abandoned(set(paths(managers.fields(key))) - mine, mine | managers.owned_by_others(key))
        result = remove(schema.merge_root, merge(schema.merge_root, base, applied), abandoned)
        result = {} if result is MISSING else result
        changes = compare(schema.merge_root, base, result)
    except TypedError as error:
        raise PatchError(500, f"failed to create typed patch object: {error}") from None
    conflicts = managers.conflicts(key, changes.touched)
    if conflicts and not force:
        raise ApplyConflict(conflicts)
    managers.take(changes.touched | changes.removed, keep=key)
    is_new = bool(changes.touched or changes.removed) or set(paths(managers.fields(key))) != mine
    time = timestamp(now) if is_new else managers.time(key)
    managers.put(key, tree(mine), str(applied.get("apiVersion", "")), time)
    result["metadata"] = {**(result.get("metadata") or {}), "managedFields": managers.listed()}
    return dict(result)


def _check_types(schema: Schema, applied: Obj) -> None:
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise PatchError(400, "metadata.managedFields must be nil")
    problems = [f".{path}: field not declared in schema" for path in schema.prune(copy(applied))]
    problems += [
        f".{path}: expected {_TYPES.get(wanted, wanted)}, got {_TYPES.get(actual, actual)}"
        for path, wanted, actual in wrong_types(applied, schema.merge_root)
    ]
    if problems:
        raise PatchError(500, f"failed to create typed patch object: {', '.join(problems)}")


def _abandoned(places: set[Path], owned: set[Path]) -> list[Path]:
    """Places that can go: nobody owns them or anything below them, and they do not tell list items apart."""
    leading = {path[:depth] for path in owned for depth in range(1, len(path) + 1)}
    return [path for path in places if path not in leading and not _is_key(path)]


def _is_key(path: Path) -> bool:
    return len(path) > 1 and path[-2].startswith("k:") and f'"{path[-1][2:]}":' in path[-2]


def _untracked(obj: Obj) -> Obj:
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
