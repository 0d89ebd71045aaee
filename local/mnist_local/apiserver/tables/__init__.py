"""Tables: what `kubectl get` prints, for built-in kinds and by the printer columns of custom ones."""

from mnist_local.apiserver.tables.render import table_of

__all__ = ["table_of"]
