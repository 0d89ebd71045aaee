"""What built-in kinds do beyond the generic: defaults that others rely on, and mistakes that a user meets early."""

from mnist_local.apiserver.kindrules import definitions, objects, pods
from mnist_local.apiserver.kinds import HOOKS


def register() -> None:
    """Put the hooks of all kinds where the engine finds them."""
    for module in (definitions, objects, pods):
        HOOKS.update(module.HOOKS)


register()
