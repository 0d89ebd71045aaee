"""Settings of all tests, and what tests of several folders ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

# An example that takes long on a busy machine is no failure. CI judges a change by the same examples each time; at home
# new ones are looked for.
settings.register_profile("any-machine", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("any-machine")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace for one test, on the `cluster` of its folder."""
    from tests.support.cluster import new_namespace

    with new_namespace(cluster) as name:
        yield name
