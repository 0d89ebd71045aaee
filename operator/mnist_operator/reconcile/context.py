"""Which training is being reconciled, for log lines written on its behalf, and what the reconcile has achieved."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from mnist_operator.reconcile.cache import Key


@dataclass
class Reconcile:
    """One reconcile under way."""

    key: Key
    """Namespace and name of the training."""
    writes: int = 0
    """Writes that the API server took, and creations of what it had taken before."""


reconciling: ContextVar[Reconcile | None] = ContextVar("reconciling", default=None)
"""The reconcile that this code runs in, tasks that it began included."""


def count_request(verb: str, code: int, seconds: float) -> None:
    """Observe a request to the API server."""
    reconcile = reconciling.get()
    taken = (verb != "GET" and 200 <= code < 300) or (verb == "POST" and code == 409)
    if reconcile is not None and taken:
        reconcile.writes += 1
