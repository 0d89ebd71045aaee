"""What a fresh cluster holds."""

from __future__ import annotations

from mnist_local.apiserver.rest.engine import Engine, Write

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def populate(engine: Engine) -> None:
    """Make the system namespaces."""
    resource = engine.ctx.registry.find("", "v1", "namespaces")
    assert resource is not None
    for name in NAMESPACES:
        engine.create(Write(resource, "", name), {"metadata": {"name": name}})
