"""What the server serves: one `Resource` per group, version and plural, and the registry that finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.store import Entry

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

Convert = Callable[[Obj], Obj]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource at one version.

    `storage` names the table of the store; a view of another resource's table says how to convert. `virtual` objects
    are answers that are not stored. `columns` and `scale` are as in a definition: printer columns, and the JSON paths
    of what `/scale` shows.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    storage: str = ""
    list_kind: str = ""
    custom: bool = False
    has_generation: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    returns_deleted: bool = False
    virtual: bool = False
    schema: Any = None
    openapi: Obj | None = None
    columns: tuple[Obj, ...] = ()
    scale: Obj = field(default_factory=dict)
    to_storage: Convert | None = None
    from_storage: Convert | None = None

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def table_name(self) -> str:
        return self.storage or (f"{self.plural}.{self.group}" if self.group else self.plural)

    @property
    def list_kind_name(self) -> str:
        return self.list_kind or f"{self.kind}List"

    def shown(self, entry: Entry) -> Obj:
        return entry.obj if self.from_storage is None else self.from_storage(entry.obj)

    def raw(self, entry: Entry) -> bytes:
        return entry.raw if self.from_storage is None else orjson.dumps(self.from_storage(entry.obj))

    def item(self, entry: Entry) -> bytes:
        """Return the JSON of an object inside a list, where built-in kinds leave out `kind` and `apiVersion`."""
        raw = self.raw(entry)
        # The store keeps these two keys first, so the rest is a slice.
        return raw if self.custom else b"{" + raw[raw.index(b'"metadata":') :]


@dataclass(slots=True)
class Registry:
    """All served resources, by (group, version, plural)."""

    _by_key: dict[tuple[str, str, str], Resource] = field(default_factory=dict)
    revision: int = 0

    def add(self, resource: Resource) -> None:
        self._by_key[(resource.group, resource.version, resource.plural)] = resource
        self.revision += 1

    def remove(self, group: str, plural: str) -> None:
        for key in [k for k in self._by_key if k[0] == group and k[2] == plural]:
            del self._by_key[key]
        self.revision += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_key.get((group, version, plural))

    def require(self, group: str, plural: str) -> Resource:
        return self._by_key[(group, "v1", plural)]

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        return next((r for r in self.stored() if r.kind == kind and r.api_version == api_version), None)

    def by_table(self, table: str) -> Resource | None:
        return next((resource for resource in self.stored() if resource.table_name == table), None)

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_key.values()))

    def stored(self) -> Iterator[Resource]:
        return (resource for resource in self if not resource.virtual and resource.to_storage is None)
