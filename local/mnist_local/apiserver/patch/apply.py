"""Server-side apply and the field ownership that goes with it.

Source: KEP-555 and structured-merge-diff. A manager's entry in `metadata.managedFields` lists the fields it last set.
Applying again without a field removes it, unless another manager has it too; setting a field that another manager has
to another value is a conflict.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mnist_local.apiserver.patch import fieldset
from mnist_local.apiserver.patch.compare import Changes, compare
from mnist_local.apiserver.patch.errors import ApplyConflict, PatchError
from mnist_local.apiserver.patch.fieldset import Path
from mnist_local.apiserver.patch.managers import (
    APPLY,
    UPDATE,
    Managers,
    cap_updaters,
    show_manager,
    strip,
    timestamp,
)
from mnist_local.apiserver.patch.merge import merge
from mnist_local.apiserver.patch.typed import TypedError, field_set, remove, with_parents
from mnist_local.apiserver.patch.typedcheck import check_typed
from mnist_local.apiserver.schema import Schema
from mnist_local.apiserver.schema.errors import compact
from mnist_local.apiserver.schema.node import MISSING, Node

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL = "kubectl"
_BEFORE_FIRST_APPLY = "before-first-apply"
_Object = dict[str, Any]


def update_managed_fields(
    schema: Schema,
    old: _Object | None,
    new: _Object,
    manager: str,
    operation: str = UPDATE,
    subresource: str = "",
    now: datetime | None = None,
) -> list[_Object]:
    """The `managedFields` of `new` after a create (`old` is None), update or patch by `manager`.

    What `new` brings along in `metadata.managedFields` is respected, so that clients can edit it. An object whose
    fields nobody tracks stays so.
    """
    managers = _known_managers(old, new, subresource)
    if old is not None and not managers:
        return []
    before = old if old is not None else _empty(schema, new)
    changes = _changes(schema.merge_root, before, new, subresource)
    set_now = {path for path in changes.added | changes.modified if not strip(path)}
    if changes:
        managers.take(changes.added | changes.modified)
        managers.take(changes.removed)
    if set_now:
        key = (manager, operation, str(new.get("apiVersion", "")), subresource)
        managers.give(key, set_now, timestamp(now))
        cap_updaters(managers)
    return managers.entries()


def _known_managers(old: _Object | None, new: _Object, subresource: str) -> Managers:
    given = (new.get("metadata") or {}).get("managedFields")
    if not subresource and given is not None:
        if given in ([], [{}]):
            return Managers([])
        managers = Managers(given)
        if managers:
            return managers
    return Managers(((old or {}).get("metadata") or {}).get("managedFields") or [])


def _empty(schema: Schema, obj: _Object) -> _Object:
    """An object of the same kind in which nobody has set anything."""
    return {name: value for name, value in obj.items() if name in ("apiVersion", "kind")}


def _changes(node: Node, old: _Object, new: _Object, subresource: str) -> Changes:
    changes = compare(node, old, new)
    for places in (changes.added, changes.modified, changes.removed):
        places.discard(("f:metadata", "f:managedFields"))
    if subresource == "status":
        changes.keep_only("f:status")
    return changes


def server_side_apply(
    schema: Schema,
    live: _Object | None,
    applied: _Object,
    manager: str,
    force: bool,
    subresource: str = "",
    now: datetime | None = None,
    *,
    ignore_status: bool = False,
) -> _Object:
    """Apply a configuration to an object (None to create it); returns the new object with its `managedFields`.

    `ignore_status` keeps the configuration's status out, as for the main resource of a kind with a status subresource.
    Raises `ApplyConflict`, or `PatchError` for a configuration that does not fit the schema (500) or brings managed
    fields along (400).
    """
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise PatchError(400, "metadata.managedFields must be nil")
    node = schema.merge_root
    problems = check_typed(node, applied)
    if problems:
        raise PatchError(500, f"failed to create typed patch object ({_identity(applied)}): {problems}")
    base = live if live is not None else _empty(schema, applied)
    managers = _managers_before_apply(schema, live, now, ignore_status=ignore_status)
    key = (manager, APPLY, str(applied.get("apiVersion", "")), subresource)
    last = managers.paths(key)
    try:
        wanted = _wanted(field_set(node, applied), subresource, ignore_status=ignore_status)
        merged = merge(node, _without_managed(base), applied)
        managers.replace(key, wanted)
        result = _drop_abandoned(node, merged, last, managers) if last else merged
        changes = _changes(node, _without_managed(base), result, "")
    except TypedError as error:
        raise PatchError(500, f"failed to create typed patch object ({_identity(applied)}): {error}") from None
    taken = changes.added | changes.modified
    conflicts = managers.conflicts(key, taken)
    if conflicts and not force and not _was_applied_by_kubectl(node, live, manager, conflicts):
        raise ApplyConflict(
            [(show_manager(owner), fieldset.show(path)) for owner, paths in conflicts.items() for path in sorted(paths)]
        )
    managers.take(taken, keep=key)
    managers.take(changes.removed, keep=key)
    if changes:
        managers.touch(key, timestamp(now))
    metadata = result.setdefault("metadata", {})
    metadata["managedFields"] = managers.entries()
    _refresh_last_applied(metadata, applied, manager)
    return result


def _identity(obj: _Object) -> str:
    metadata = obj.get("metadata") or {}
    place = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    return f"{place}; {obj.get('apiVersion', '')}, Kind={obj.get('kind', '')}"


def _without_managed(obj: _Object) -> _Object:
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}


def _managers_before_apply(
    schema: Schema, live: _Object | None, now: datetime | None, *, ignore_status: bool
) -> Managers:
    """The live object's managers; where there are none yet, one that has all there is."""
    if live is None:
        return Managers([])
    managers = Managers((live.get("metadata") or {}).get("managedFields") or [])
    if not managers:
        changes = _changes(schema.merge_root, _empty(schema, live), live, "")
        if ignore_status:
            changes.ignore("f:status")
        fields = {path for path in changes.added | changes.modified if not strip(path)}
        managers.give((_BEFORE_FIRST_APPLY, UPDATE, str(live.get("apiVersion", "")), ""), fields, timestamp(now))
    return managers


def _wanted(places: set[Path], subresource: str, *, ignore_status: bool) -> set[Path]:
    if subresource == "status":
        return {path for path in places if path[0] == "f:status"}
    return {path for path in places if not strip(path) and not (ignore_status and path[0] == "f:status")}


def _drop_abandoned(node: Node, merged: _Object, last: set[Path], managers: Managers) -> _Object:
    """Remove what the manager had applied, applies no more, and no other manager has."""
    last_all = with_parents(node, last)
    merged_set = with_parents(node, field_set(node, merged))
    pruned = _removed(node, merged, last_all)
    owned = with_parents(node, managers.all_paths())
    pruned = _removed(node, merged, merged_set - (with_parents(node, field_set(node, pruned)) | owned))
    pruned_set = with_parents(node, field_set(node, pruned))
    return _removed(node, merged, (merged_set - pruned_set) & last_all)


def _removed(node: Node, obj: _Object, places: set[Path]) -> _Object:
    rest = remove(node, obj, places)
    return {} if rest is MISSING else dict(rest)


def _refresh_last_applied(metadata: _Object, applied: _Object, manager: str) -> None:
    """Keep kubectl's own record true, so that going back to client-side apply works."""
    annotations = metadata.get("annotations") or {}
    if manager == _KUBECTL and LAST_APPLIED in annotations:
        metadata["annotations"] = {**annotations, LAST_APPLIED: compact(applied) + "\n"}


def _was_applied_by_kubectl(node: Node, live: _Object | None, manager: str, conflicts: Mapping[Any, set[Path]]) -> bool:
    """Whether `kubectl apply` had set all of the fields before, on the client's side."""
    annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
    if manager != _KUBECTL or LAST_APPLIED not in annotations:
        return False
    last = _decoded(annotations[LAST_APPLIED])
    if last is None:
        return False
    owned = field_set(node, last)
    return all(paths <= owned for paths in conflicts.values())


def _decoded(text: str) -> _Object | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
