"""CustomResourceDefinitions: serves what they define, and removes their objects before they go."""

from __future__ import annotations

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.controllers.queue import ControlLoop
from mnist_local.apiserver.customresources import CLEANUP, TABLE, resources_of
from mnist_local.apiserver.rest.deletion import DeleteOptions
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.rest.writes import Write
from mnist_local.apiserver.store import Event


class DefinitionController:
    """Keeps the registry true to the stored definitions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ctx: Context = engine.ctx
        self.loop: ControlLoop[str] = ControlLoop("definition cleanup", self.process)
        self.ctx.store.subscribe(self.on_event)

    def on_event(self, table: str, event: Event) -> None:
        """Serve what a definition says, from the moment it is stored."""
        if table != TABLE:
            if event.type == "DELETED" and "." in table and self.ctx.store.table(TABLE).get("", table):
                self.loop.add(table)
            return
        obj = event.entry.obj
        spec = obj["spec"]
        registry = self.ctx.registry
        if event.previous is None or event.previous.obj["spec"] != spec or event.type == "DELETED":
            registry.remove(spec["group"], spec["names"]["plural"])
            if event.type == "DELETED":
                self.ctx.store.drop(obj["metadata"]["name"])
                return
            for resource in resources_of(obj):
                registry.add(resource)
        if "deletionTimestamp" in obj["metadata"]:
            self.loop.add(obj["metadata"]["name"])

    def process(self, name: str) -> None:
        """Remove the objects of a definition that is being deleted, then let it go."""
        entry = self.ctx.store.table(TABLE).get("", name)
        if entry is None or "deletionTimestamp" not in entry.obj["metadata"]:
            return
        resource = next(iter(r for r in self.ctx.registry if r.table_name == name), None)
        left = 0
        if resource is not None:
            for one in list(self.ctx.store.table(name).select(None)):
                if "deletionTimestamp" not in one.obj["metadata"]:
                    write = Write(resource, *one.key)
                    if self.engine.delete(write, one, DeleteOptions(propagation="Background"))[1]:
                        continue
                left += 1
        if left:
            return
        definition = self.ctx.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        assert definition is not None
        obj = entry.copy()
        obj["metadata"]["finalizers"] = [f for f in obj["metadata"].get("finalizers", ()) if f != CLEANUP]
        self.engine.update(Write(definition, "", name), obj, entry)
