"""The types of the API server's own kinds, from the `kubernetes` client's models."""

from functools import cache

from mnist_local.apiserver.schema.structural import StructuralSchema
from mnist_local.apiserver.schema.types import clientmodels, tables
from mnist_local.apiserver.schema.types.nodes import model_node


def model_of(group: str, version: str, kind: str) -> str | None:
    """The client's model of a built-in kind, or None when there is no such kind."""
    if kind not in tables.KINDS.get((group, version), ()):
        return None
    prefix = version[0].upper() + version[1:]
    group_name = (group or "core").partition(".")[0]
    for candidate in (f"{group_name[0].upper()}{group_name[1:]}{prefix}{kind}", f"{prefix}{kind}"):
        if clientmodels.exists(candidate):
            return candidate
    return None


@cache
def builtin_schema(group: str, version: str, kind: str) -> StructuralSchema | None:
    """The schema of a built-in kind ("" is the core group); None for any other."""
    model = model_of(group, version, kind)
    return None if model is None else StructuralSchema(model_node(model), {"model": model}, is_builtin=True)
