"""The types of the API server's own kinds, from the `kubernetes` client's models."""

from functools import cache

from mnist_local.apiserver.schema.structural import StructuralSchema
from mnist_local.apiserver.schema.types.definitions import kind_model
from mnist_local.apiserver.schema.types.nodes import model_node


@cache
def builtin_schema(group: str, version: str, kind: str) -> StructuralSchema | None:
    """The schema of a built-in kind ("" is the core group); None for any other."""
    model = kind_model(group, version, kind)
    return None if model is None else StructuralSchema(model_node(model), {"model": model}, is_builtin=True)
