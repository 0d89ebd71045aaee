"""What the parts of the server share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from mnist_local.apiserver.admission import Admission
from mnist_local.apiserver.rbac import Authorizer
from mnist_local.apiserver.resource import Registry, Resource
from mnist_local.apiserver.store import Store, Table


@dataclass(slots=True)
class Context:
    """The server's state; one instance per server."""

    store: Store = field(default_factory=Store)
    registry: Registry = field(default_factory=Registry)
    authorizer: Authorizer = field(init=False)
    admission: Admission = field(init=False)
    pod_log_dir: Path | None = None
    ca_pem: str = ""
    stopping: bool = False
    wakes: set[asyncio.Event] = field(default_factory=set)
    """What open streams wait for; set when the server stops."""

    def __post_init__(self) -> None:
        self.authorizer = Authorizer(self.store)
        self.admission = Admission(self.store, self.authorizer)

    def stop(self) -> None:
        """End all open streams."""
        self.stopping = True
        for wake in tuple(self.wakes):
            wake.set()

    def table(self, resource: Resource) -> Table:
        """Return the table that holds a resource's objects."""
        return self.store.table(resource.table_name)
