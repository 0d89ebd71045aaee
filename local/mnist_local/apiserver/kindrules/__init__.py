"""What built-in kinds do beyond the generic: defaults that others rely on, and mistakes that a user meets early."""

from mnist_local.apiserver.kindrules import definitions, objects, pods
from mnist_local.apiserver.kinds import HOOKS

for _module in (definitions, objects, pods):
    HOOKS.update(_module.HOOKS)
