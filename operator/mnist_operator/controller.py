"""Workers on the queue: one reconcile at a time per training, several trainings at a time; and the resync.

Before any work begins, the resync lists everything into the caches and puts every training on the queue. It does so
again every few minutes, for what the watches may have missed and for what they do not show. A key that fails comes back
later and later: soon after an obstacle, at least twice a minute while the API server is away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Key
from mnist_kube.pacing import Backoff
from mnist_kube.queue import WorkQueue
from mnist_operator.cache import ClusterState
from mnist_operator.listings import Listings
from mnist_operator.metrics.exporter import Metrics
from mnist_operator.metrics.trainings import Bounds, TrainingsCollector
from mnist_operator.reconcile import NotDoneError, Reconciler
from mnist_operator.resync import NAMES, Resynced, Versions, changes, resync
from mnist_operator.settings import Settings

logger = logging.getLogger(__name__)
_KUBERAY_POLL = 15.0
# Each of its requests ends after half a minute at the latest, and there are at most some twenty of them.
_LONGEST_RECONCILE = 900.0
_LONGEST_PRIMING_DELAY = 5.0
# Once the API server is back, nobody should have to wait for long.
_LONGEST_OUTAGE_DELAY = 30.0
# kopf finds what there is to watch within a second; a kind that is not there is not waited for any longer.
_WATCHES_BEGIN = 2.0
_LIST_AGAIN = 1.0
_LIST_ALL = 3600.0


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


class RestartNeededError(Exception):
    """The process must start again to see what has changed in the cluster."""


class Controller:
    """Owns the queue, its workers and the resync."""

    def __init__(
        self,
        api: KubeApi,
        state: ClusterState,
        settings: Settings,
        metrics: Metrics,
        active: Callable[[], bool] = lambda: True,
        listings: Listings | None = None,
    ) -> None:
        self._api = api
        self._state = state
        self._settings = settings
        self._metrics = metrics
        self._reconciler = Reconciler(
            api,
            state,
            settings.installation(),
            on_status=metrics.transitions.observe,
            policy=settings.policy(),
        )
        self._listings = listings or Listings()
        self._listed: dict[str, float] = {}
        """When each kind was listed last, by a monotonic clock."""
        self._versions: Versions = {}
        self._unknown: frozenset[str] = frozenset()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.ready = asyncio.Event()
        """Set once the caches were filled: nothing is decided before."""
        self._begun: dict[Key, float] = {}
        # A standby's watches fill its queue, too, and nobody works on it.
        metrics.watch_queue(
            lambda: len(self.queue) if active() else 0, lambda: self.queue.oldest() if active() else 0.0
        )
        metrics.watch_leader(active)
        bounds = Bounds(settings.metrics_max_trainings, settings.metrics_finished_seconds)
        metrics.add(TrainingsCollector(state, active, bounds))

    def alive(self) -> bool:
        """Whether every reconcile in hand is younger than any that could still end."""
        now = time.perf_counter()
        return all(now - begun < _LONGEST_RECONCILE for begun in self._begun.values())

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and give what is in hand `seconds` to end."""
        try:
            await asyncio.wait_for(self.queue.drain(), seconds)
        except TimeoutError:
            logger.warning("ending with reconciles in hand; the next operator goes on where they were")

    async def run(self) -> None:
        """Fill the caches, then work until cancelled.

        Raises:
            RestartNeededError: when a new process is needed.
        """
        await self._prime()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.workers):
                    group.create_task(self._work())
                group.create_task(self._resync_forever())
        except* RestartNeededError as group_error:
            raise group_error.exceptions[0] from None
        finally:
            self.queue.close()

    async def _prime(self) -> None:
        await self._listings.have_begun(NAMES, _WATCHES_BEGIN)
        delays = Backoff(0.5, _LONGEST_PRIMING_DELAY)
        while True:
            try:
                found = await self._resync(NAMES)
                break
            except ApiError as error:
                delay = delays.next()
                logger.warning("the API server cannot be read yet, trying again in %.0f s: %s", delay, error)
                await asyncio.sleep(delay)
        self._unknown = found.unknown
        for key in found.keys:
            self.queue.add(key)
        self.ready.set()

    async def _resync(self, kinds: Collection[str]) -> Resynced:
        begun = time.monotonic()
        found = await resync(self._api, self._state, self._settings.namespaces, kinds, self._versions)
        self._listed |= dict.fromkeys(kinds, begun)
        return found

    async def _compare(self) -> Resynced:
        """Read what changed since the last comparison, or everything if that was listed long ago."""
        aged = time.monotonic() - min((self._listed.get(kind, 0.0) for kind in NAMES), default=0.0)
        if aged < _LIST_ALL and not self._unknown:
            try:
                found = await changes(self._api, self._state, self._settings.namespaces, self._versions)
            except ApiError as error:
                if error.status not in {404, 410}:
                    raise
            else:
                awake = {
                    (obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in self._state.trainings.awake()
                }
                return Resynced(found.keys | awake, found.unknown)
        return await self._resync(NAMES)

    async def _catch_up(self, seconds: float) -> None:
        """For so long, list what the watches may have missed whenever they had to begin anew."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._listings.changed.wait(), remaining)
            except TimeoutError:
                return
            self._listings.changed.clear()
            if kinds := self._listings.outdated(self._listed):
                try:
                    found = await self._resync(kinds)
                except ApiError as error:
                    logger.warning("a list of %s failed: %s", ", ".join(sorted(kinds)), error)
                    await asyncio.sleep(_LIST_AGAIN)
                    self._listings.changed.set()
                    continue
                for key in found.keys:
                    self.queue.add(key)

    async def _resync_forever(self) -> None:
        while True:
            period = self._settings.resync_seconds
            await self._catch_up(min(_KUBERAY_POLL, period) if self._unknown else period)
            try:
                found = await self._compare()
            except ApiError as error:
                logger.warning("resync failed: %s", error)
                continue
            if self._settings.namespaces and self._unknown - found.unknown:
                # Without rights in the whole cluster kopf cannot notice new kinds; a new process watches them.
                raise RestartNeededError(f"{', '.join(sorted(self._unknown))} have come: restarting to watch them")
            self._unknown = found.unknown
            self._reconciler.memories.retain({obj["metadata"]["uid"] for obj in self._state.trainings.awake()})
            for namespace, name in found.keys:
                training = self._state.trainings.get(namespace, name)
                if training is not None:
                    self._reconciler.memories.of(training["metadata"]["uid"]).forget()
                self.queue.add((namespace, name))

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            reconciling.set(reconcile := Reconcile(key))
            self._begun[key] = started = time.perf_counter()
            outcome = "error"
            try:
                outcome = await self._one(reconcile)
            finally:
                del self._begun[key]
                self._metrics.reconciled(outcome, time.perf_counter() - started)
                self.queue.done(key)

    async def _one(self, reconcile: Reconcile) -> str:
        key = reconcile.key
        try:
            again = await self._reconciler.reconcile(key)
        except NotDoneError as error:
            delay = self.queue.retry(key, at_least=1.0)
            logger.info("%s/%s: %s; trying again in %.0f s", *key, error, delay)
            return "obstructed"
        except ApiError as error:
            if reconcile.writes:
                # Some went through: a server that fails now and then is not one that is down.
                self.queue.forget(key)
            delay = self.queue.retry(key, at_least=error.retry_after or 0.0, at_most=_LONGEST_OUTAGE_DELAY)
            logger.warning("%s/%s: %s; trying again in %.1f s", *key, error, delay)
            return "api_error"
        except Exception:
            delay = self.queue.retry(key, at_least=5.0)
            logger.exception("%s/%s: unexpected error; trying again in %.0f s", *key, delay)
            return "error"
        self.queue.forget(key)
        if again is not None:
            self.queue.add_after(key, again)
        return "done"
