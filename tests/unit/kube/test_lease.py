"""The Lease against an API that fails: held through trouble that passes, given up in time when it does not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from mnist_kube.errors import ApiError
from mnist_kube.lease import Lease, LeaseLostError

Object = dict[str, Any]
DURATION, RENEW, RETRY = 15.0, 3.0, 0.5


class LeaseServer:
    """Holds one Lease, and spoils requests as told. Its time, and everybody's, goes on when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lease: Object | None = None
        self.version = 0
        self.now = 0.0
        self.requests: list[str] = []
        self.spoil: Callable[[], str] = lambda: ""
        self.patience = 0.0
        self._rest = asyncio.sleep
        monkeypatch.setattr("mnist_kube.lease.asyncio.sleep", self._sleep)

    def client(self, identity: str) -> Lease:
        return Lease(self, "ns", "lease", identity, DURATION, RENEW, RETRY, lambda: self.now)  # type: ignore[arg-type]

    def with_timeout(self, seconds: float) -> LeaseServer:
        self.patience = seconds
        return self

    async def get(self, path: str) -> Object:
        return await self._answer("GET", lambda: self.lease)

    async def create(self, path: str, body: Object) -> Object:
        return await self._answer("POST", lambda: self._store(body))

    async def replace(self, path: str, body: Object) -> Object:
        def stored() -> Object:
            assert self.lease is not None
            if body["metadata"].get("resourceVersion") != self.lease["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict", "the object has been modified")
            return self._store(body)

        return await self._answer("PUT", stored)

    def taken_by(self, identity: str) -> None:
        """Somebody else writes the Lease."""
        assert self.lease is not None
        self._store({**self.lease, "spec": {**self.lease["spec"], "holderIdentity": identity}})

    async def _answer(self, method: str, act: Callable[[], Object | None]) -> Object:
        self.requests.append(method)
        await self._rest(0)
        fault = self.spoil()
        if fault == "refused":
            raise ApiError(503, "", "spoiled")
        if fault == "stalled":
            self.now += self.patience
            raise ApiError(0, "Unreachable", "TimeoutError")
        answer = act()
        if fault == "lost answer":
            raise ApiError(0, "Unreachable", "Server disconnected")
        if answer is None:
            raise ApiError(404, "NotFound", "no")
        return answer

    def _store(self, body: Object) -> Object:
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.lease

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await self._rest(0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> LeaseServer:
    return LeaseServer(monkeypatch)


async def keep_until(server: LeaseServer, lease: Lease, seconds: float) -> None:
    """Renew for so many seconds of the server's time."""
    keeping = asyncio.create_task(lease.keep())
    while server.now < seconds and not keeping.done():
        await server._rest(0)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    if keeping.done() and not keeping.cancelled():
        keeping.result()


async def test_a_renewal_is_one_request(server: LeaseServer) -> None:
    lease = server.client("a")
    await lease.acquire()
    assert server.requests == ["GET", "POST"]
    server.requests.clear()
    await keep_until(server, lease, 30.0)
    assert set(server.requests) == {"PUT"}
    assert len(server.requests) <= 30.0 / RENEW + 1


@pytest.mark.parametrize("seed", range(20))
async def test_a_third_of_the_requests_may_fail_for_an_hour(server: LeaseServer, seed: int) -> None:
    rng = random.Random(seed)
    lease = server.client("a")
    await lease.acquire()
    server.spoil = lambda: rng.choice(["refused", "lost answer"]) if rng.random() < 0.33 else ""
    await keep_until(server, lease, 3600.0)
    assert lease.held
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 0


async def test_a_request_that_stalls_leaves_time_for_another(server: LeaseServer) -> None:
    lease = server.client("a")
    await lease.acquire()
    faults = iter(["stalled"])
    server.spoil = lambda: next(faults, "")
    await keep_until(server, lease, 20.0)
    assert lease.held


async def test_a_lease_that_cannot_be_renewed_is_lost_before_others_may_take_it(server: LeaseServer) -> None:
    lease = server.client("a")
    await lease.acquire()
    server.spoil = lambda: "refused"
    with pytest.raises(LeaseLostError, match="ns/lease is lost"):
        await keep_until(server, lease, 60.0)
    assert server.now < DURATION
    assert not lease.held


@pytest.mark.parametrize("spoiled", [False, True])
async def test_a_lease_that_another_took_is_lost_at_the_next_renewal(server: LeaseServer, spoiled: bool) -> None:
    lease = server.client("a")
    await lease.acquire()
    faults = iter(["refused", "lost answer"] if spoiled else [])
    server.spoil = lambda: next(faults, "")
    server.taken_by("b")
    with pytest.raises(LeaseLostError):
        await keep_until(server, lease, 60.0)
    assert server.now <= RENEW + 4 * RETRY
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == "b"


async def test_a_standby_waits_until_the_record_has_not_changed_for_its_duration(server: LeaseServer) -> None:
    first, second = server.client("a"), server.client("b")
    await first.acquire()
    began = server.now
    await second.acquire()
    assert server.now - began >= DURATION
    assert not first.held
    assert second.held
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1


async def test_a_lease_given_back_is_taken_at_once(server: LeaseServer) -> None:
    first, second = server.client("a"), server.client("b")
    await first.acquire()
    await first.release()
    before = server.now
    await second.acquire()
    assert server.now == before
    assert second.held
