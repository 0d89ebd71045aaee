"""The version of this distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """The installed distribution's version; `unknown` when run from a bare source tree."""
    try:
        return version("mnist-training")
    except PackageNotFoundError:
        return "unknown"
