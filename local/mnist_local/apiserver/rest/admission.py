"""The admission chain: what may look at, change or refuse a write between decoding and storing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mnist_local.apiserver.call import User
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource


@dataclass(slots=True)
class Attributes:
    """One write as admission sees it; `obj` is None on delete, `old` on create."""

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    user: User
    obj: Obj | None
    old: Obj | None
    dry_run: bool
    warnings: list[str]


Plugin = Callable[[Attributes], None]
"""Changes `obj` in place (while mutating) or raises ApiError to refuse."""


@dataclass(slots=True)
class Admission:
    """Plugins in the order they run: `mutating` before validation of the object, `validating` after it."""

    mutating: list[Plugin] = field(default_factory=list)
    validating: list[Plugin] = field(default_factory=list)
