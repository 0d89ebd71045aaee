"""`metav1.LabelSelector` objects, as they stand in manifests."""

from __future__ import annotations

from collections.abc import Mapping

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.selectors import Requirement

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def matches(selector: Obj, labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy a selector; an empty one is satisfied by all."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(
        Requirement(term["key"], _OPERATORS[term["operator"]], frozenset(term.get("values") or ())).matches(labels)
        for term in selector.get("matchExpressions") or ()
    )
