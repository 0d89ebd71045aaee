"""What the server serves: one `Resource` per group, version and plural, and the registry that finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mnist_local.apiserver.errors import Obj

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

Convert = Callable[[Obj], Obj]


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: where its value stands, and how wide a listing must be to show it (priority 0 is always)."""

    name: str
    type: str
    path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a custom resource keeps what `/scale` shows, as dotted paths; the selector's may be empty."""

    spec: str
    status: str
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource at one version.

    `storage` names the table of the store; versions of one resource share it and differ in `from_storage`.
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
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()
    scale: ScalePaths | None = None
    preferred: bool = True
    to_storage: Convert | None = None
    from_storage: Convert | None = None

    @property
    def api_version(self) -> str:
        """Return `group/version`, or `version` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Tell whether `/status` is served, and status writes are apart from spec writes."""
        return "status" in self.subresources

    @property
    def table_name(self) -> str:
        """Return the name of the store's table."""
        return self.storage or (f"{self.plural}.{self.group}" if self.group else self.plural)

    @property
    def list_kind_name(self) -> str:
        """Return the kind of a list of these."""
        return self.list_kind or f"{self.kind}List"


@dataclass(slots=True)
class Registry:
    """All served resources, by (group, version, plural)."""

    _by_key: dict[tuple[str, str, str], Resource] = field(default_factory=dict)
    revision: int = 0

    def add(self, resource: Resource) -> None:
        """Serve a resource, in place of what was served under the same name."""
        self._by_key[(resource.group, resource.version, resource.plural)] = resource
        self.revision += 1

    def remove(self, group: str, plural: str) -> None:
        """Stop serving every version of a resource."""
        for key in [k for k in self._by_key if k[0] == group and k[2] == plural]:
            del self._by_key[key]
        self.revision += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the resource served under that name."""
        return self._by_key.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of a kind, as an owner reference names it."""
        for resource in self._by_key.values():
            if resource.kind == kind and resource.api_version == api_version and not resource.virtual:
                return resource
        return None

    def by_group_kind(self, group: str, kind: str) -> Resource | None:
        """Return any served version of a kind."""
        for resource in self._by_key.values():
            if resource.kind == kind and resource.group == group and not resource.virtual:
                return resource
        return None

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_key.values()))

    def stored(self) -> Iterator[Resource]:
        """Yield one resource for each table of the store."""
        seen: set[str] = set()
        for resource in self:
            if not resource.virtual and resource.table_name not in seen and resource.to_storage is None:
                seen.add(resource.table_name)
                yield resource
