"""One local stack for all tests that only need one to be there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.live import LiveStack
from tests.support.processes import assert_none_left, kill_all, processes_of


@pytest.fixture(scope="session")
def stack() -> Iterator[LiveStack]:
    """A stack as `mnistctl local up` leaves it; when it is taken down, no process may be left."""
    root = Path(tempfile.mkdtemp(prefix="mnist-live-"))
    try:
        live = LiveStack(root / "stack")
        yield live
        live.down()
        assert_none_left(root)
    finally:
        kill_all(processes_of(root))
        shutil.rmtree(root, ignore_errors=True)
