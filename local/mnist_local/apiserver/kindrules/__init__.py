"""What built-in kinds do beyond the generic, one module for kinds that belong together."""

from mnist_local.apiserver.kindrules import (
    crds,
    events,
    leases,
    namespaces,
    pods,
    policies,
    rbac,
    secrets,
    services,
    workloads,
)
from mnist_local.apiserver.kinds import HOOKS


def register() -> None:
    """Put the hooks of all kinds where the engine finds them."""
    for module in (crds, events, leases, namespaces, pods, policies, rbac, secrets, services, workloads):
        HOOKS.update(module.HOOKS)


register()
