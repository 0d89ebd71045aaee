import pytest
from tests.support.bare_training import Bare


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Bare:
    """Runs the trainer's session with everything real but Ray."""
    return Bare(monkeypatch)
