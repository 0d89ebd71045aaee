"""The server's own control loops: definitions, namespaces and aggregated roles."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from mnist_kube.queue import WorkQueue
from mnist_kube.times import timestamp
from mnist_local.apiserver.engine import DeleteOptions, Engine
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import CLEANUP, DEFINITIONS, RBAC, resource_of
from mnist_local.apiserver.rbac import CLUSTER_ROLES, Rule
from mnist_local.apiserver.request import Write
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.selectors import matches
from mnist_local.apiserver.store import Entry, Event

K = TypeVar("K", bound=Hashable)

_RETRY_SECONDS = 0.5


class ControlLoop(Generic[K]):
    """Processes keys from a queue; writes are synchronous, and requests are served in between."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.queue: WorkQueue[K] = WorkQueue(_RETRY_SECONDS)
        engine.store.subscribe(self._on_event)

    async def run(self) -> None:
        await self.queue.work(type(self).__name__, 1, self._reconcile)

    async def _reconcile(self, key: K) -> None:
        await asyncio.sleep(0)
        self._process(key)

    def _on_event(self, table: str, event: Event) -> None:
        raise NotImplementedError

    def _process(self, key: K) -> None:
        raise NotImplementedError


def _delete_all(engine: Engine, resource: Resource, namespace: str | None = None) -> Iterator[Entry]:
    for entry in list(engine.table(resource).select(namespace)):
        left, gone = entry, False
        if "deletionTimestamp" not in entry.obj["metadata"]:
            left, gone = engine.delete(Write(resource, *entry.key), entry, DeleteOptions("Background"))
        if not gone:
            yield left


class DefinitionController(ControlLoop[str]):
    """Serves what CustomResourceDefinitions define, and removes their objects before they go."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._definitions = engine.store.table(DEFINITIONS)

    def _on_event(self, table: str, event: Event) -> None:
        if table != DEFINITIONS:
            if event.type == "DELETED" and self._definitions.get("", table):
                self.queue.add(table)
            return
        obj, registry = event.entry.obj, self.engine.registry
        spec, name = obj["spec"], event.entry.key[1]
        if event.type == "DELETED":
            registry.remove(spec["group"], spec["names"]["plural"])
            self.engine.store.drop(name)
        elif event.previous is None or event.previous.obj["spec"] != spec:
            registry.remove(spec["group"], spec["names"]["plural"])
            registry.add(resource_of(obj))
        if event.type != "DELETED" and "deletionTimestamp" in obj["metadata"]:
            self.queue.add(name)

    def _process(self, name: str) -> None:
        entry, registry = self._definitions.get("", name), self.engine.registry
        if entry is None or "deletionTimestamp" not in entry.obj["metadata"]:
            return
        resource = registry.by_table(name)
        if resource is not None and list(_delete_all(self.engine, resource)):
            return
        obj = entry.copy()
        finalizers = obj["metadata"].get("finalizers", ())
        obj["metadata"]["finalizers"] = [one for one in finalizers if one != CLEANUP]
        definition = registry.require("apiextensions.k8s.io", "customresourcedefinitions")
        self.engine.update(Write(definition, "", name), obj, entry)


class NamespaceController(ControlLoop[str]):
    """Gives each namespace its ServiceAccount and the CA's ConfigMap, and empties it before it goes."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._resource = engine.registry.require("", "namespaces")

    def _on_event(self, table: str, event: Event) -> None:
        namespace, name = event.entry.key
        if table == "namespaces" and event.type != "DELETED":
            self.queue.add(name)
        elif namespace and event.type == "DELETED":
            self.queue.add(namespace)

    def _process(self, name: str) -> None:
        entry = self.engine.table(self._resource).get("", name)
        if entry is None:
            return
        if "deletionTimestamp" in entry.obj["metadata"]:
            self._empty(name, entry)
            return
        self._ensure("serviceaccounts", name, {"metadata": {"name": "default"}})
        data = {"ca.crt": self.engine.ca_pem}
        self._ensure("configmaps", name, {"metadata": {"name": "kube-root-ca.crt"}, "data": data})

    def _ensure(self, plural: str, namespace: str, obj: Obj) -> None:
        resource, name = self.engine.registry.require("", plural), obj["metadata"]["name"]
        if self.engine.table(resource).get(namespace, name) is None:
            self.engine.create(Write(resource, namespace, name), obj)

    def _empty(self, name: str, entry: Entry) -> None:
        held = [
            f"{resource.plural} {left.key[1]}: {', '.join(left.obj['metadata'].get('finalizers') or ())}"
            for resource in self.engine.registry.stored() if resource.namespaced
            for left in _delete_all(self.engine, resource, name)
        ]  # fmt: skip
        obj = entry.copy()
        if not held:
            obj["spec"]["finalizers"] = [one for one in obj["spec"].get("finalizers", ()) if one != "kubernetes"]
            self.engine.update(Write(self._resource, "", name, subresource="finalize"), obj, entry)
            return
        message = "Some content in the namespace is held by finalizers: " + "; ".join(held)
        former: Obj = next(iter(obj["status"].get("conditions") or ()), {})
        if former.get("message") == message:
            return  # a write would be an event, and that event another look
        since = former.get("lastTransitionTime") or timestamp()
        condition = {"type": "NamespaceFinalizersRemaining", "status": "True", "lastTransitionTime": since}
        obj["status"]["conditions"] = [{**condition, "reason": "SomeFinalizersRemain", "message": message}]
        self.engine.update(Write(self._resource, "", name, subresource="status"), obj, entry)


class RoleAggregation(ControlLoop[str]):
    """Keeps the rules of ClusterRoles that are the sum of others, chosen by label."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._roles = engine.store.table(CLUSTER_ROLES)

    def _on_event(self, table: str, _event: Event) -> None:
        # Every aggregating role when any ClusterRole changes; there are few of either.
        for entry in self._roles.objects.values() if table == CLUSTER_ROLES else ():
            if entry.obj.get("aggregationRule"):
                self.queue.add(entry.key[1])

    def _process(self, name: str) -> None:
        entry = self._roles.get("", name)
        if entry is None or not entry.obj.get("aggregationRule"):
            return
        rules: list[Rule] = []
        for selector in entry.obj["aggregationRule"].get("clusterRoleSelectors") or ():
            for other in self._roles.select(None):
                if other.key[1] != name and matches(selector, other.obj["metadata"].get("labels") or {}):
                    rules += [rule for rule in other.obj.get("rules") or () if rule not in rules]
        if rules != (entry.obj.get("rules") or []):
            resource = self.engine.registry.require(RBAC, "clusterroles")
            self.engine.update(Write(resource, "", name), {**entry.copy(), "rules": rules}, entry)
