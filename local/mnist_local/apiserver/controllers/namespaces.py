"""Namespaces: what each is given when it is made, and how it is emptied before it goes."""

from __future__ import annotations

from mnist_local.apiserver import clock
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.controllers.queue import ControlLoop
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest.deletion import DeleteOptions
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.rest.writes import Write
from mnist_local.apiserver.store import Entry, Event

TABLE = "namespaces"
ROOT_CA = "kube-root-ca.crt"


class NamespaceController:
    """Makes the default ServiceAccount and the root CA's ConfigMap, and empties namespaces that are deleted."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ctx: Context = engine.ctx
        self.loop: ControlLoop[str] = ControlLoop("namespace controller", self.process)
        self.ctx.store.subscribe(self.on_event)

    def on_event(self, table: str, event: Event) -> None:
        """Queue a namespace on its own changes, and on deletions in it."""
        namespace, name = event.entry.key
        if table == TABLE:
            if event.type != "DELETED":
                self.loop.add(name)
        elif event.type == "DELETED" and namespace:
            self.loop.add(namespace)

    def process(self, name: str) -> None:
        """Do what is due for one namespace."""
        entry = self.ctx.store.table(TABLE).get("", name)
        if entry is None:
            return
        if "deletionTimestamp" in entry.obj["metadata"]:
            self._empty(name, entry)
        else:
            self._ensure("serviceaccounts", name, {"metadata": {"name": "default"}})
            description = (
                "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints "
                "such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
                "distributions of Kubernetes clusters."
            )
            metadata = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": description}}
            self._ensure("configmaps", name, {"metadata": metadata, "data": {"ca.crt": self.ctx.ca_pem}})

    def _ensure(self, plural: str, namespace: str, obj: Obj) -> None:
        resource = self.ctx.registry.find("", "v1", plural)
        assert resource is not None
        name = obj["metadata"]["name"]
        if self.ctx.table(resource).get(namespace, name) is None:
            self.engine.create(Write(resource, namespace, name), obj)

    def _empty(self, name: str, entry: Entry) -> None:
        remaining: dict[str, int] = {}
        waiting: dict[str, int] = {}
        for resource in self.ctx.registry.stored():
            if resource.namespaced:
                self._delete_all(resource, name, remaining, waiting)
        own = self.ctx.registry.find("", "v1", TABLE)
        assert own is not None
        obj = entry.copy()
        if remaining:
            former = obj["status"].get("conditions", [])
            obj["status"]["conditions"] = _conditions(former, remaining, waiting)
            if obj["status"]["conditions"] == former:
                return  # a write would be an event, and that event another look
            self.engine.update(Write(own, "", name, subresource="status"), obj, entry)
            return
        obj["spec"]["finalizers"] = [f for f in obj["spec"].get("finalizers", ()) if f != "kubernetes"]
        self.engine.update(Write(own, "", name, subresource="finalize"), obj, entry)

    def _delete_all(
        self, resource: Resource, namespace: str, remaining: dict[str, int], waiting: dict[str, int]
    ) -> None:
        table = self.ctx.table(resource)
        for entry in list(table.select(namespace)):
            if "deletionTimestamp" not in entry.obj["metadata"]:
                write = Write(resource, *entry.key)
                entry, gone = self.engine.delete(write, entry, DeleteOptions(propagation="Background"))
                if gone:
                    continue
            full = f"{resource.plural}.{resource.group}"
            remaining[full] = remaining.get(full, 0) + 1
            for finalizer in entry.obj["metadata"].get("finalizers") or ():
                waiting[finalizer] = waiting.get(finalizer, 0) + 1


def _conditions(former: list[Obj], remaining: dict[str, int], waiting: dict[str, int]) -> list[Obj]:
    left = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(remaining.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(waiting.items()))
    states = [
        ("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            False,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        ("NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {left}"),
        (
            "NamespaceFinalizersRemaining",
            bool(held),
            "SomeFinalizersRemain" if held else "ContentHasNoFinalizers",
            f"Some content in the namespace has finalizers remaining: {held}"
            if held
            else "All content-preserving finalizers finished",
        ),
    ]
    known = {condition["type"]: condition for condition in former}
    out: list[Obj] = []
    for kind, truth, reason, message in states:
        status = "True" if truth else "False"
        before = known.get(kind)
        since = before["lastTransitionTime"] if before and before["status"] == status else clock.now()
        out.append({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message})
    return out
