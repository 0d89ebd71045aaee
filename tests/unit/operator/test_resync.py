"""Filling the caches from an API server that fails now and then."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_operator.app import resync as module
from mnist_operator.app.resync import resync
from mnist_operator.kube.client import ApiError
from mnist_operator.reconcile.state import ClusterState

REFUSED = ApiError(403, "Forbidden", "no")
GONE = ApiError(410, "Expired", "the token is too old")
BUSY = ApiError(429, "TooManyRequests", "busy")
BROKEN = ApiError(500, "InternalError", "broken")
AWAY = ApiError(0, "Unreachable", "Server disconnected")


class Pages:
    """Two pages of trainings, none of the rest; raises what it is told to first."""

    def __init__(self, *errors: ApiError | None) -> None:
        self.errors = list(errors)
        self.asked: list[str] = []

    async def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        token = query.get("continue", "")
        self.asked.append(f"{path.rsplit('/', 1)[1]}{token}")
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        if not path.endswith("mnisttrainings"):
            return {"items": []}
        name = "second" if token else "first"
        item = {"metadata": {"namespace": "ns", "name": name, "uid": name, "resourceVersion": "1"}, "spec": {}}
        return {"items": [item], "metadata": {} if token else {"continue": "2"}}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TRY_AGAIN", 0.0)


@pytest.mark.parametrize("error", [BUSY, BROKEN, AWAY])
async def test_a_page_that_is_lost_is_asked_for_again_alone(error: ApiError) -> None:
    api, state = Pages(None, error), ClusterState()
    found = await resync(api, state, ())  # type: ignore[arg-type]
    assert found.keys == {("ns", "first"), ("ns", "second")}
    assert api.asked == ["mnisttrainings", "mnisttrainings2", "mnisttrainings2", "rayclusters", "rayjobs"]


@pytest.mark.parametrize("error", [REFUSED, GONE])
async def test_a_refusal_is_not_repeated(error: ApiError) -> None:
    api = Pages(error)
    with pytest.raises(ApiError) as raised:
        await resync(api, ClusterState(), ())  # type: ignore[arg-type]
    assert raised.value is error
    assert len(api.asked) == 1


async def test_a_server_that_stays_away_ends_it() -> None:
    api = Pages(*[AWAY] * 9)
    with pytest.raises(ApiError):
        await resync(api, ClusterState(), ())  # type: ignore[arg-type]
    assert len(api.asked) == 3
