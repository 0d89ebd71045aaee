"""One active process at a time, by a coordination Lease.

The algorithm is that of Kubernetes' client-go (tools/leaderelection): a holder renews, others wait until the record has
not changed for its whole duration by their own clocks. A holder renews the record that it wrote last, and reads it only
when that is refused. Here the holder also checks, before each write, that its own time is not over, and gives the Lease
back when it stops, so that a hand-over takes no waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import LEASES
from mnist_kube.times import micro_timestamp

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Another process holds the Lease, or it could not be renewed in time."""


class Lease:
    """A Lease that this process tries to hold.

    Args:
        api: the API server.
        namespace: namespace of the Lease.
        name: name of the Lease.
        identity: what tells this process from others.
        duration: seconds for which a renewal is good.
        renew_every: seconds between renewals.
        retry_every: seconds until a renewal that failed is tried again.
        clock: a monotonic clock.
    """

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        name: str,
        identity: str,
        duration: float = 15.0,
        renew_every: float = 3.0,
        retry_every: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # A request that is lost must leave time for another.
        self._api = api.with_timeout(duration / 3)
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration = duration
        self._renew_every = renew_every
        self._retry_every = retry_every
        self._clock = clock
        self._valid_until = float("-inf")
        self._written: Object | None = None
        self._seen: tuple[str, str] | None = None
        self._seen_at = 0.0
        self._writing = asyncio.Lock()
        self.standing_by = False
        """Whether another process holds the Lease, and this one waits for it."""

    @property
    def held(self) -> bool:
        """Whether this process may write now. A margin is kept for clocks and requests under way."""
        return self._clock() < self._valid_until

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while not await self._try():
            if self._seen is not None and not self.standing_by:
                logger.info("standing by: another process holds Lease %s/%s", self._namespace, self._name)
                self.standing_by = True
            await asyncio.sleep(self._renew_every)
        self.standing_by = False
        logger.info("holding Lease %s/%s as %s", self._namespace, self._name, self._identity)

    async def keep(self) -> None:
        """Renew for ever.

        Raises:
            LeaseLostError: when the Lease is another's, or was not renewed in time.
        """
        delay = self._renew_every
        while True:
            await asyncio.sleep(delay)
            # A renewal under way is not cut short: release() waits for it.
            renewed = await asyncio.shield(self._try())
            if not renewed and not self.held:
                raise LeaseLostError(f"Lease {self._namespace}/{self._name} is lost")
            delay = self._renew_every if renewed else self._retry_every

    async def release(self) -> None:
        """Give the Lease back, so that a standby takes over at once."""
        async with self._writing:
            await self._give_back()

    async def _give_back(self) -> None:
        if not self.held:
            return
        self._valid_until = float("-inf")
        try:
            live = await self._api.get(self._path())
            if live["spec"].get("holderIdentity") == self._identity:
                del live["spec"]["holderIdentity"]  # the API refuses an empty one
                live["spec"]["leaseDurationSeconds"] = 1
                await self._api.replace(self._path(), live)
        except ApiError as error:
            logger.warning("Lease could not be given back: %s", error)

    async def _try(self) -> bool:
        """Take or renew the Lease if it is free, over, or ours. Return whether it is ours now."""
        async with self._writing:
            written, self._written = self._written, None
            return await (self._take() if written is None else self._write(written, self._clock()))

    async def _take(self) -> bool:
        asked_at = self._clock()
        try:
            live = await self._api.get(self._path())
        except ApiError as error:
            if not error.not_found:
                logger.warning("Lease cannot be read: %s", error)
                return False
            return await self._write(None, asked_at)
        spec = live.get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        record = (holder, str(spec.get("renewTime") or ""))
        if record != self._seen:
            self._seen, self._seen_at = record, asked_at
        duration = float(spec.get("leaseDurationSeconds") or self._duration)
        if holder and holder != self._identity and asked_at < self._seen_at + duration:
            self._valid_until = float("-inf")
            return False
        return await self._write(live, asked_at)

    async def _write(self, live: Object | None, asked_at: float) -> bool:
        now = micro_timestamp()
        spec = dict((live or {}).get("spec") or {})
        if spec.get("holderIdentity") != self._identity:
            transitions = int(spec.get("leaseTransitions") or 0) + (1 if live is not None else 0)
            spec |= {"acquireTime": now, "leaseTransitions": transitions}
        spec |= {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
        }
        try:
            if live is None:
                metadata = {"name": self._name, "namespace": self._namespace}
                body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
                self._written = await self._api.create(LEASES.path(self._namespace), body)
            else:
                self._written = await self._api.replace(self._path(), {**live, "spec": spec})
        except ApiError as error:
            if not (error.conflict or error.already_exists):
                logger.warning("Lease cannot be written: %s", error)
            return False
        # Two thirds of the time that others grant: a write begun before the end is over before theirs begins.
        self._valid_until = asked_at + self._duration * 2 / 3
        return True

    def _path(self) -> str:
        return LEASES.path(self._namespace, self._name)
