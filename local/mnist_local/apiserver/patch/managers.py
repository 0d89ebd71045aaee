"""`metadata.managedFields`: who set which fields."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from mnist_local.apiserver.patch import fieldset
from mnist_local.apiserver.patch.fieldset import Fields, Path
from mnist_local.apiserver.schema.node import copy

APPLY: Final = "Apply"
UPDATE: Final = "Update"
Key = tuple[str, str, str, str]
"""Manager, operation, apiVersion, subresource."""

_MAX_UPDATERS: Final = 10
_OLD_UPDATERS: Final = "ancient-changes"
_META: Final = "f:metadata"
_STRIPPED: Final = frozenset(
    [("f:apiVersion",), ("f:kind",), (_META,)]
    + [
        (_META, fieldset.field(name))
        for name in (
            *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation"),
            *("managedFields", "resourceVersion"),
        )
    ]
)


def strip(path: Path) -> bool:
    """Whether ownership of a field is never tracked: the server sets it, or it names the object."""
    return path in _STRIPPED


def timestamp(now: datetime | None) -> str:
    """A time as managedFields has it (now, when None)."""
    return (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def show_manager(key: Key) -> str:
    """A manager as conflict messages name it."""
    manager, operation, api_version, subresource = key
    text = json.dumps(manager, ensure_ascii=False)
    if subresource:
        text += f' with subresource "{subresource}"'
    return f"{text} using {api_version}" if operation == UPDATE else text


def _identity(key: Key) -> Key:
    """An applier keeps its entry when it goes on to another version of the API."""
    return (key[0], key[1], "", key[3]) if key[1] == APPLY else key


class Managers:
    """The managers of one object; entries are copied before they are changed."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self._keys: dict[Key, Key] = {}
        self._fields: dict[Key, Fields] = {}
        self._times: dict[Key, str] = {}
        self._own: set[Key] = set()
        for entry in entries:
            fields = entry.get("fieldsV1")
            if entry.get("fieldsType") != "FieldsV1" or not isinstance(fields, dict):
                continue
            names = ("manager", "operation", "apiVersion", "subresource")
            manager, operation, api_version, subresource = (str(entry.get(name) or "") for name in names)
            key = (manager, operation, api_version, subresource)
            self._keys[_identity(key)] = key
            self._fields[_identity(key)] = fields
            if entry.get("time"):
                self._times[_identity(key)] = entry["time"]

    def __bool__(self) -> bool:
        return bool(self._fields)

    def paths(self, key: Key) -> set[Path]:
        """The fields of a manager."""
        return fieldset.paths(self._fields.get(_identity(key), {}))

    def all_paths(self) -> set[Path]:
        """The fields that anybody has."""
        return set().union(*(fieldset.paths(fields) for fields in self._fields.values()))

    def _editable(self, identity: Key) -> Fields:
        if identity not in self._own:
            self._own.add(identity)
            self._fields[identity] = copy(self._fields.get(identity, {}))
        return self._fields[identity]

    def take(self, places: Iterable[Path], keep: Key | None = None) -> None:
        """Take fields from everybody (but `keep`)."""
        kept = _identity(keep) if keep is not None else None
        places = list(places)
        for identity in list(self._fields):
            if identity == kept:
                continue
            had = [path for path in places if fieldset.contains(self._fields[identity], path)]
            if not had:
                continue
            fields = self._editable(identity)
            for path in had:
                fieldset.discard(fields, path)
            if not fields:
                self._forget(identity)

    def give(self, key: Key, places: Iterable[Path], time: str | None) -> None:
        """Add fields to a manager, who gets them at `time`."""
        identity = _identity(key)
        fields = self._editable(identity)
        for path in places:
            fieldset.insert(fields, path)
        self._keys[identity] = key
        if time is not None:
            self._times[identity] = time

    def replace(self, key: Key, places: Iterable[Path]) -> None:
        """Let a manager have these fields and no others."""
        identity = _identity(key)
        self._keys[identity] = key
        self._own.add(identity)
        self._fields[identity] = fieldset.from_paths(places)
        if not self._fields[identity]:
            self._forget(identity)

    def touch(self, key: Key, time: str) -> None:
        """Set the time of a manager's entry."""
        self._times[_identity(key)] = time

    def conflicts(self, key: Key, places: set[Path]) -> dict[Key, set[Path]]:
        """Which of the places other managers have."""
        found = {}
        for identity, fields in self._fields.items():
            if identity != _identity(key):
                had = {path for path in places if fieldset.contains(fields, path)}
                if had:
                    found[self._keys[identity]] = had
        return found

    def updaters(self) -> list[Key]:
        """Managers that do not apply, the one with the oldest change first."""
        found = [identity for identity in self._fields if identity[1] != APPLY]
        return sorted(found, key=lambda identity: (self._times.get(identity, ""), identity))

    def join(self, source: Key, target: Key) -> None:
        """Hand a manager's fields and time over to another and forget it."""
        self.give(target, self.paths(source), self._times.get(source))
        self._forget(source)

    def _forget(self, identity: Key) -> None:
        self._fields.pop(identity, None)
        self._times.pop(identity, None)
        self._keys.pop(identity, None)
        self._own.discard(identity)

    def entries(self) -> list[dict[str, Any]]:
        """The managedFields, ordered as the server orders them."""
        found = []
        for identity, fields in self._fields.items():
            manager, operation, api_version, subresource = self._keys[identity]
            entry: dict[str, Any] = {"manager": manager, "operation": operation, "apiVersion": api_version}
            if identity in self._times:
                entry["time"] = self._times[identity]
            entry["fieldsType"] = "FieldsV1"
            entry["fieldsV1"] = fieldset.ordered(fields) if identity in self._own else fields
            if subresource:
                entry["subresource"] = subresource
            found.append(entry)
        order = ("operation", "time", "manager", "apiVersion", "subresource")
        return sorted(found, key=lambda entry: [entry.get(name, "") for name in order])


def cap_updaters(managers: Managers) -> None:
    """Join the oldest updaters of an object that has more than ten."""
    updaters = managers.updaters()
    first: dict[str, Key] = {}
    count = len(updaters)
    for identity in updaters:
        if count <= _MAX_UPDATERS:
            return
        api_version = identity[2]
        bucket = (_OLD_UPDATERS, UPDATE, api_version, "")
        if identity == bucket:
            first[api_version] = bucket
        elif api_version in first:
            if first[api_version] != bucket:
                managers.join(first[api_version], bucket)
                first[api_version] = bucket
            managers.join(identity, bucket)
            count -= 1
        else:
            first[api_version] = identity
