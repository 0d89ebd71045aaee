"""Garbage collection by owner references: dependents of what is gone go too, in the foreground or the background."""

from __future__ import annotations

from mnist_local.apiserver.controllers import ControlLoop
from mnist_local.apiserver.engine import DeleteOptions, Engine
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.objectmeta import FOREGROUND, ORPHAN
from mnist_local.apiserver.request import Write
from mnist_local.apiserver.store import Entry, Event, Key

Ref = tuple[str, Key]
"""Where an object stands: table and key."""


class GarbageCollector(ControlLoop[Ref]):
    """Follows owner references through all tables."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._dependents: dict[str, set[Ref]] = {}
        self._live: dict[str, Ref] = {}

    def _on_event(self, table: str, event: Event) -> None:
        """Keep the graph of owners, and queue whoever a change concerns."""
        ref, metadata = (table, event.entry.key), event.entry.obj["metadata"]
        uid, gone = metadata["uid"], event.type == "DELETED"
        before = _owner_uids(event.previous)
        after = set() if gone else _owner_uids(event.entry)
        for owner in before - after:
            self._dependents.get(owner, set()).discard(ref)
            # An owner that waits for its dependents may be free now.
            if owner in self._live:
                self.queue.add(self._live[owner])
        for owner in after:
            self._dependents.setdefault(owner, set()).add(ref)
        if gone:
            self._live.pop(uid, None)
            for dependent in self._dependents.pop(uid, ()):
                self.queue.add(dependent)
            return
        self._live[uid] = ref
        if after or "deletionTimestamp" in metadata:
            self.queue.add(ref)

    def _entry(self, ref: Ref) -> Entry | None:
        table = self.engine.store.tables.get(ref[0])
        return table.objects.get(ref[1]) if table else None

    def _process(self, ref: Ref) -> None:
        entry = self._entry(ref)
        if entry is None:
            return
        metadata = entry.obj["metadata"]
        finalizers = (metadata.get("finalizers") or ()) if "deletionTimestamp" in metadata else ()
        if ORPHAN in finalizers:
            self._orphan(ref, entry)
        elif FOREGROUND in finalizers:
            self._foreground(ref, entry)
        elif metadata.get("ownerReferences"):
            self._check_owners(ref, entry)

    def _owner_exists(self, reference: Obj, namespace: str) -> bool:
        """Tell whether an owner is there; a namespaced owner counts in the dependent's namespace only."""
        resource = self.engine.registry.by_kind(reference["apiVersion"], reference["kind"])
        if resource is None or (resource.namespaced and not namespace):
            return True  # an unknown kind may be served later; nothing is deleted on its account
        entry = self.engine.table(resource).get(namespace if resource.namespaced else "", reference["name"])
        return entry is not None and entry.obj["metadata"]["uid"] == reference["uid"]

    def _is_waiting(self, reference: Obj) -> bool:
        """Tell whether an owner is being deleted in the foreground, and so waits for its dependents."""
        ref = self._live.get(reference["uid"])
        entry = self._entry(ref) if ref else None
        metadata = entry.obj["metadata"] if entry else {}
        return "deletionTimestamp" in metadata and FOREGROUND in (metadata.get("finalizers") or ())

    def _check_owners(self, ref: Ref, entry: Entry) -> None:
        metadata = entry.obj["metadata"]
        there = [r for r in metadata["ownerReferences"] if self._owner_exists(r, entry.key[0])]
        waiting = [r for r in there if self._is_waiting(r)]
        solid = [r for r in there if r not in waiting]
        if solid:
            if len(solid) < len(metadata["ownerReferences"]):
                self._change(ref, entry, "ownerReferences", solid)
            return
        if "deletionTimestamp" in metadata:
            return
        finalizers = metadata.get("finalizers") or ()
        foreground = FOREGROUND in finalizers or (waiting and self._dependents.get(metadata["uid"]))
        # What a user asked for on this very object stays so.
        propagation = "Orphan" if ORPHAN in finalizers else "Foreground" if foreground else "Background"
        resource = self.engine.registry.by_table(ref[0])
        if resource is not None:
            options = DeleteOptions(propagation, uid=metadata["uid"])
            self.engine.delete(Write(resource, *entry.key), entry, options)

    def _orphan(self, ref: Ref, entry: Entry) -> None:
        uid = entry.obj["metadata"]["uid"]
        for dependent in tuple(self._dependents.get(uid, ())):
            if other := self._entry(dependent):
                kept = [r for r in other.obj["metadata"].get("ownerReferences", ()) if r["uid"] != uid]
                self._change(dependent, other, "ownerReferences", kept)
        self._drop_finalizer(ref, entry, ORPHAN)

    def _foreground(self, ref: Ref, entry: Entry) -> None:
        uid = entry.obj["metadata"]["uid"]
        blocking = False
        for dependent in self._dependents.get(uid, set()) - {ref}:
            if other := self._entry(dependent):
                self.queue.add(dependent)
                references = other.obj["metadata"]["ownerReferences"]
                blocking = blocking or any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in references)
        if not blocking:
            self._drop_finalizer(ref, entry, FOREGROUND)

    def _drop_finalizer(self, ref: Ref, entry: Entry, name: str) -> None:
        present = entry.obj["metadata"].get("finalizers", ())
        self._change(ref, entry, "finalizers", [finalizer for finalizer in present if finalizer != name])

    def _change(self, ref: Ref, entry: Entry, field: str, value: list[Obj] | list[str]) -> None:
        resource, obj = self.engine.registry.by_table(ref[0]), entry.copy()
        obj["metadata"][field] = value
        if not value:
            del obj["metadata"][field]
        if resource is not None:
            self.engine.update(Write(resource, *entry.key), obj, entry)


def _owner_uids(entry: Entry | None) -> set[str]:
    return {reference["uid"] for reference in entry.obj["metadata"].get("ownerReferences") or ()} if entry else set()
