"""What a fresh cluster holds."""

from __future__ import annotations

from mnist_local.apiserver.auth.bootstrap import cluster_role_bindings, cluster_roles
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.rest.writes import Write

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_RBAC = "rbac.authorization.k8s.io"


def populate(engine: Engine) -> None:
    """Make the system namespaces and the roles of every cluster where they are not there."""
    for name in NAMESPACES:
        _create(engine, "", "namespaces", {"metadata": {"name": name}})
    for role in cluster_roles():
        _create(engine, _RBAC, "clusterroles", role)
    for binding in cluster_role_bindings():
        _create(engine, _RBAC, "clusterrolebindings", binding)


def _create(engine: Engine, group: str, plural: str, obj: Obj) -> None:
    resource = engine.ctx.registry.find(group, "v1", plural)
    assert resource is not None
    if engine.ctx.table(resource).get("", obj["metadata"]["name"]) is not None:
        return  # a store that was restored has it
    engine.create(Write(resource, "", obj["metadata"]["name"]), obj)
