"""Delays after failures: they grow while the API server takes nothing, and start anew once it took something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mnist_kube.errors import ApiError
from mnist_operator.cache import ClusterState
from mnist_operator.controller import Controller, Reconcile, count_request, reconciling
from mnist_operator.metrics.exporter import Metrics
from mnist_operator.settings import Settings

KEY = ("default", "mnist")


class Failing:
    """A reconciler that makes some requests, all together, and ends in an error."""

    def __init__(self, *requests: tuple[str, int]) -> None:
        self.requests = requests

    async def reconcile(self, key: object) -> float | None:
        async def one(verb: str, code: int) -> None:
            count_request(verb, code, 0.01)

        await asyncio.gather(*(one(*request) for request in self.requests))
        raise ApiError(500, "", "spoiled")


@pytest.fixture
async def controller() -> AsyncIterator[Controller]:
    made = Controller(None, ClusterState(), Settings(), Metrics())  # type: ignore[arg-type]
    yield made
    made.queue.close()


async def last_delay(controller: Controller, reconciler: Failing, times: int) -> float:
    """Fail so often, and return the seconds until the next try."""
    delays: list[float] = []
    retry = controller.queue.retry

    def noted(key: tuple[str, str], **limits: float) -> float:
        delays.append(retry(key, **limits))
        return delays[-1]

    controller.queue.retry = noted  # type: ignore[method-assign]
    controller._reconciler = reconciler  # type: ignore[assignment]
    for _ in range(times):
        reconciling.set(reconcile := Reconcile(KEY))
        assert await controller._one(reconcile) == "api_error"
    return delays[-1]


@pytest.mark.parametrize("requests", [(), (("GET", 200),), (("GET", 200), ("POST", 500), ("PATCH", 0))])
async def test_a_server_that_takes_nothing_is_asked_later_and_later(
    controller: Controller, requests: tuple[tuple[str, int], ...]
) -> None:
    assert await last_delay(controller, Failing(*requests), times=8) > 10.0


@pytest.mark.parametrize("taken", [("POST", 201), ("PATCH", 200), ("POST", 409)])
async def test_a_server_that_takes_some_is_asked_again_soon(controller: Controller, taken: tuple[str, int]) -> None:
    assert await last_delay(controller, Failing(taken, ("POST", 503)), times=8) < 1.0


async def test_a_server_that_was_away_for_long_is_asked_at_least_twice_a_minute(controller: Controller) -> None:
    assert await last_delay(controller, Failing(), times=20) <= 30.0


async def test_what_others_write_is_not_ones_own_progress(controller: Controller) -> None:
    reconciling.set(None)
    count_request("POST", 201, 0.01)
    assert await last_delay(controller, Failing(), times=8) > 10.0
