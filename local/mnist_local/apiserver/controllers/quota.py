"""Keeps `status` of ResourceQuotas: what they allow, and what is used of it."""

from __future__ import annotations

from fractions import Fraction

from mnist_local.apiserver import quotas
from mnist_local.apiserver.admission.quota import used_in
from mnist_local.apiserver.controllers.queue import ControlLoop
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.rest.writes import Write
from mnist_local.apiserver.store import Event


class QuotaController:
    """Counts a namespace anew when one of its objects comes, changes or goes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.loop: ControlLoop[str] = ControlLoop("resource quota", self.process)
        self._table = engine.ctx.store.table(quotas.TABLE)
        engine.ctx.store.subscribe(self.on_event)

    def on_event(self, _table: str, event: Event) -> None:
        """Queue the namespace, if it has quotas at all."""
        namespace = event.entry.key[0]
        if self._table.objects and namespace and next(iter(self._table.select(namespace)), None) is not None:
            self.loop.add(namespace)

    def process(self, namespace: str) -> None:
        """Write the status of a namespace's quotas where it changed."""
        ctx = self.engine.ctx
        resource = ctx.registry.find("", "v1", quotas.TABLE)
        assert resource is not None
        for entry in list(self._table.select(namespace)):
            hard = quotas.limits(entry.obj)
            used = used_in(ctx, namespace, hard)
            status = {
                "hard": dict(entry.obj["spec"].get("hard") or {}),
                "used": {name: quotas.text(name, used.get(name, Fraction(0))) for name in hard},
            }
            if status != entry.obj.get("status"):
                obj = {**entry.copy(), "status": status}
                self.engine.update(Write(resource, *entry.key, subresource="status"), obj, entry)
