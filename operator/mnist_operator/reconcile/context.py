"""Which training is being reconciled, for log lines written on its behalf."""

from __future__ import annotations

from contextvars import ContextVar

reconciling: ContextVar[tuple[str, str] | None] = ContextVar("reconciling", default=None)
"""Namespace and name, inside a reconcile."""
