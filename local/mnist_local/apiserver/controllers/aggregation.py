"""ClusterRoles that are the sum of others, chosen by label."""

from __future__ import annotations

from mnist_local.apiserver.auth.authorizer import CLUSTER_ROLES
from mnist_local.apiserver.auth.rules import Rule
from mnist_local.apiserver.controllers.queue import ControlLoop
from mnist_local.apiserver.labelselector import matches
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.rest.writes import Write
from mnist_local.apiserver.store import Event


class RoleAggregation:
    """Keeps the rules of aggregating ClusterRoles."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.loop: ControlLoop[str] = ControlLoop("role aggregation", self.process)
        engine.ctx.store.subscribe(self.on_event)

    def on_event(self, table: str, event: Event) -> None:
        """Queue every aggregating role when any ClusterRole changes; there are few of either."""
        if table != CLUSTER_ROLES:
            return
        for entry in self.engine.ctx.store.table(CLUSTER_ROLES).objects.values():
            if entry.obj.get("aggregationRule"):
                self.loop.add(entry.key[1])

    def process(self, name: str) -> None:
        """Sum up one role."""
        ctx = self.engine.ctx
        table = ctx.store.table(CLUSTER_ROLES)
        entry = table.get("", name)
        resource = ctx.registry.find("rbac.authorization.k8s.io", "v1", "clusterroles")
        if entry is None or resource is None or not entry.obj.get("aggregationRule"):
            return
        rules: list[Rule] = []
        for selector in entry.obj["aggregationRule"].get("clusterRoleSelectors") or ():
            for other in table.select(None):
                if other.key[1] != name and matches(selector, other.obj["metadata"].get("labels") or {}):
                    rules += [rule for rule in other.obj.get("rules") or () if rule not in rules]
        if rules == (entry.obj.get("rules") or []):
            return
        obj = entry.copy()
        obj["rules"] = rules
        self.engine.update(Write(resource, "", name), obj, entry)
