"""Garbage collection by owner references: dependents of what is gone go too, in the foreground or the background."""

from __future__ import annotations

from dataclasses import dataclass

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.controllers.queue import ControlLoop
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest.deletion import FOREGROUND, ORPHAN, DeleteOptions
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.rest.writes import Write
from mnist_local.apiserver.store import Entry, Event, Key


@dataclass(frozen=True, slots=True)
class Ref:
    """Where an object stands."""

    table: str
    key: Key


class GarbageCollector:
    """Follows owner references through all tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ctx: Context = engine.ctx
        self.loop: ControlLoop[Ref] = ControlLoop("garbage collector", self.process)
        self._dependents: dict[str, set[Ref]] = {}
        self._live: dict[str, Ref] = {}
        self.ctx.store.subscribe(self.on_event)

    def on_event(self, table: str, event: Event) -> None:
        """Keep the graph of owners, and queue whoever a change concerns."""
        ref = Ref(table, event.entry.key)
        metadata = event.entry.obj["metadata"]
        uid = metadata["uid"]
        before = _owner_uids(event.previous)
        after = _owner_uids(event.entry) if event.type != "DELETED" else set()
        for owner in before - after:
            self._forget(owner, ref)
        for owner in after:
            self._dependents.setdefault(owner, set()).add(ref)
        if event.type == "DELETED":
            self._live.pop(uid, None)
            for dependent in self._dependents.get(uid, ()):
                self.loop.add(dependent)
            # An owner that waits for its dependents may be free now.
            for owner in before:
                if owner in self._live:
                    self.loop.add(self._live[owner])
            return
        self._live[uid] = ref
        if after or "deletionTimestamp" in metadata:
            self.loop.add(ref)
        if before - after:
            for owner in before - after:
                if owner in self._live:
                    self.loop.add(self._live[owner])

    def _forget(self, owner: str, ref: Ref) -> None:
        known = self._dependents.get(owner)
        if known is not None:
            known.discard(ref)
            if not known:
                del self._dependents[owner]

    def process(self, ref: Ref) -> None:
        """Do what is due for one object."""
        table = self.ctx.store.tables.get(ref.table)
        entry = table.objects.get(ref.key) if table else None
        resource = self._resource(ref.table)
        if entry is None or resource is None:
            return
        metadata = entry.obj["metadata"]
        finalizers = metadata.get("finalizers") or ()
        if "deletionTimestamp" in metadata:
            if ORPHAN in finalizers:
                self._orphan(ref, resource, entry)
                return
            if FOREGROUND in finalizers:
                self._foreground(ref, resource, entry)
                return
        if metadata.get("ownerReferences"):
            self._check_owners(resource, entry)

    def _resource(self, table: str) -> Resource | None:
        for resource in self.ctx.registry:
            if resource.table_name == table and not resource.virtual:
                return resource
        return None

    def _write(self, resource: Resource, entry: Entry) -> Write:
        return Write(resource, *entry.key)

    def _owner_exists(self, reference: Obj, namespace: str) -> bool:
        """Tell whether an owner is there; a namespaced owner counts in the dependent's namespace only."""
        resource = self.ctx.registry.by_kind(reference["apiVersion"], reference["kind"])
        if resource is None:
            # An unknown kind may be served later; nothing is deleted on its account.
            return True
        entry = self.ctx.table(resource).get(namespace if resource.namespaced else "", reference["name"])
        if resource.namespaced and not namespace:
            return True
        return entry is not None and entry.obj["metadata"]["uid"] == reference["uid"]

    def _is_waiting(self, reference: Obj) -> bool:
        """Tell whether an owner is being deleted in the foreground, and so waits for its dependents."""
        ref = self._live.get(reference["uid"])
        entry = self.ctx.store.table(ref.table).objects.get(ref.key) if ref else None
        if entry is None:
            return False
        metadata = entry.obj["metadata"]
        return "deletionTimestamp" in metadata and FOREGROUND in (metadata.get("finalizers") or ())

    def _check_owners(self, resource: Resource, entry: Entry) -> None:
        metadata = entry.obj["metadata"]
        references = metadata["ownerReferences"]
        solid, waiting, dangling = [], [], []
        for reference in references:
            if not self._owner_exists(reference, entry.key[0]):
                dangling.append(reference)
            elif self._is_waiting(reference):
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid:
            if dangling or waiting:
                self._keep_references(resource, entry, solid)
            return
        if "deletionTimestamp" in metadata:
            return
        has_dependents = bool(self._dependents.get(metadata["uid"]))
        options = DeleteOptions(uid=metadata["uid"])
        if waiting and has_dependents:
            options.propagation = "Foreground"
        elif waiting or dangling:
            options.propagation = "Background"
            finalizers = metadata.get("finalizers") or ()
            # What a user asked for on this very object stays so.
            options.propagation = (
                "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
            )
        else:
            return
        self.engine.delete(self._write(resource, entry), entry, options)

    def _keep_references(self, resource: Resource, entry: Entry, kept: list[Obj]) -> None:
        obj = entry.copy()
        if kept:
            obj["metadata"]["ownerReferences"] = kept
        else:
            del obj["metadata"]["ownerReferences"]
        self.engine.update(self._write(resource, entry), obj, entry)

    def _orphan(self, ref: Ref, resource: Resource, entry: Entry) -> None:
        uid = entry.obj["metadata"]["uid"]
        for dependent in tuple(self._dependents.get(uid, ())):
            other = self.ctx.store.table(dependent.table).objects.get(dependent.key)
            kind = self._resource(dependent.table)
            if other is not None and kind is not None:
                kept = [r for r in other.obj["metadata"].get("ownerReferences", ()) if r["uid"] != uid]
                self._keep_references(kind, other, kept)
        self._drop_finalizer(resource, entry, ORPHAN)

    def _foreground(self, ref: Ref, resource: Resource, entry: Entry) -> None:
        uid = entry.obj["metadata"]["uid"]
        blocking = False
        for dependent in tuple(self._dependents.get(uid, ())):
            other = self.ctx.store.table(dependent.table).objects.get(dependent.key)
            if other is None or dependent == ref:
                continue
            self.loop.add(dependent)
            blocking = blocking or any(
                r["uid"] == uid and r.get("blockOwnerDeletion") for r in other.obj["metadata"]["ownerReferences"]
            )
        if not blocking:
            self._drop_finalizer(resource, entry, FOREGROUND)

    def _drop_finalizer(self, resource: Resource, entry: Entry, name: str) -> None:
        obj = entry.copy()
        kept = [finalizer for finalizer in obj["metadata"].get("finalizers", ()) if finalizer != name]
        if kept:
            obj["metadata"]["finalizers"] = kept
        else:
            obj["metadata"].pop("finalizers", None)
        self.engine.update(self._write(resource, entry), obj, entry)


def _owner_uids(entry: Entry | None) -> set[str]:
    if entry is None:
        return set()
    return {reference["uid"] for reference in entry.obj["metadata"].get("ownerReferences") or ()}
