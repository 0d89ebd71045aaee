"""What is watched, once for all pages of one identity, however many tabs are open.

A feed is a local copy of a collection in some namespaces, kept by one list and one watch each (`mnist_kube.informer`).
Pages subscribe to it. A subscription holds only the keys of what has changed, so a page that is slow to read costs no
memory, and misses nothing but states that were over before it looked. A feed without pages ends after a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.informer import Informer
from mnist_kube.objects import Key, Object, key_of
from mnist_kube.resources import Resource

logger = logging.getLogger(__name__)

Place = str | None
"""A namespace; None: all of them."""
_FIRST_LIST_S = 10.0
_REFUSED_AGAIN_S = 15.0


class Subscription:
    """What has changed in a feed since a page last looked."""

    def __init__(self) -> None:
        self._changed: set[Key] = set()
        self._event = asyncio.Event()
        self.is_over = False
        """Whether the feed has ended: the server stops, or who asked is signed out."""

    def tell(self, key: Key | None = None) -> None:
        """Note a change of an object; without a key, of the feed itself."""
        if key is not None:
            self._changed.add(key)
        self._event.set()

    async def changes(self, seconds: float) -> set[Key] | None:
        """Wait for changes, up to `seconds`; None when there were none, an empty set for the feed itself."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return None
        self._event.clear()
        changed, self._changed = self._changed, set()
        return changed


class Feed:
    """A shared copy of a collection. Make it inside a running event loop, and close it.

    Args:
        api: the API server, as the identity that looks.
        resource: what is watched.
        places: namespaces to watch, or `(None,)`.
        query: selectors.
        on_change: called with each object that came or changed, and whether it was deleted, before any page hears.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        places: tuple[Place, ...],
        query: Mapping[str, str] | None = None,
        on_change: Callable[[Object, bool], None] = lambda obj, deleted: None,
    ) -> None:
        self.resource = resource
        self.used = time.monotonic()
        self._on_change = on_change
        self._problems: dict[Place, ApiError] = {}
        self._subscriptions: set[Subscription] = set()
        self._informers = {place: Informer(api, resource, place, query) for place in places}
        self._tasks = [asyncio.create_task(self._run(place, one)) for place, one in self._informers.items()]

    async def close(self) -> None:
        """End the watches, and tell the pages."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for subscription in self._subscriptions:
            subscription.is_over = True
            subscription.tell()

    @property
    def watches(self) -> int:
        """Watches upstream."""
        return len(self._informers)

    @property
    def pages(self) -> int:
        """Pages that are subscribed."""
        return len(self._subscriptions)

    @property
    def problem(self) -> ApiError | None:
        """Why the copy may be out of date, if it may."""
        return next(iter(self._problems.values()), None)

    def values(self) -> list[Object]:
        """Return all objects as last seen."""
        self.used = time.monotonic()
        return [obj for informer in self._informers.values() for obj in informer.values()]

    def get(self, key: Key) -> Object | None:
        """Return an object as last seen, or None."""
        self.used = time.monotonic()
        return next((found for one in self._informers.values() if (found := one.get(key)) is not None), None)

    def observe(self, obj: Object) -> None:
        """Take in the answer to a write of one's own, so that the next page shows it."""
        place = key_of(obj)[0]
        informer = self._informers.get(place) or self._informers.get(None)
        if informer is not None:
            informer.observe(obj)

    async def ready(self, seconds: float = _FIRST_LIST_S) -> None:
        """Wait for the first list of each namespace. Raises ApiError where it was refused, or did not come in time."""
        waits = [asyncio.ensure_future(one.synced.wait()) for one in self._informers.values()]
        try:
            async with asyncio.timeout(seconds):
                while not all(one.synced.is_set() for one in self._informers.values()):
                    hard = [error for error in self._problems.values() if not error.may_pass]
                    if hard:
                        raise hard[0]
                    await asyncio.wait(waits, timeout=0.05)
        except TimeoutError:
            if self.problem is not None:
                raise self.problem from None
            raise ApiError(0, "Unreachable", f"the API server has not answered for {seconds:.0f} s") from None
        finally:
            for wait in waits:
                wait.cancel()

    @contextlib.contextmanager
    def subscribed(self) -> Iterator[Subscription]:
        """Subscribe a page as long as the block runs."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            self.used = time.monotonic()

    async def _run(self, place: Place, informer: Informer) -> None:
        """Follow one namespace, also through a refusal that somebody may mend (a role that was taken away)."""
        informer.on_problem(lambda error: self._note(place, error))
        while True:
            try:
                async with contextlib.aclosing(informer.changes(give_up=True)) as changes:
                    async for kind, obj in changes:
                        _trim(obj)
                        self._on_change(obj, kind == "DELETED")
                        self._tell(key_of(obj))
            except ApiError as error:
                logger.debug("%s in %s: %s", self.resource.plural, place or "all namespaces", error)
            await asyncio.sleep(_REFUSED_AGAIN_S)

    def _note(self, place: Place, error: ApiError | None) -> None:
        before = self._problems.pop(place, None)
        if error is not None:
            self._problems[place] = error
        if (before is None) != (error is None):
            self._tell(None)

    def _tell(self, key: Key | None) -> None:
        for subscription in self._subscriptions:
            subscription.tell(key)


def _trim(obj: Object) -> None:
    """Leave out what no page shows and what takes most of the room; of MnistTrainings the managers are shown."""
    if obj.get("kind") != "MnistTraining":
        obj["metadata"].pop("managedFields", None)


@dataclass(frozen=True)
class FeedName:
    """What makes two feeds the same one."""

    identity: str
    plural: str
    places: tuple[Place, ...]
    query: tuple[tuple[str, str], ...] = ()


class Hub:
    """All feeds, at most so many: who was looked at longest ago ends first.

    Args:
        idle: seconds without a page after which a feed ends.
        most: feeds at a time.
    """

    def __init__(self, idle: float, most: int = 500) -> None:
        self._idle, self._most = idle, most
        self._feeds: dict[FeedName, Feed] = {}

    async def feed(self, name: FeedName, make: Callable[[], Feed]) -> Feed:
        """Return the feed of a name; it is made where there is none."""
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = make()
            idle = sorted(
                ((one.used, key) for key, one in self._feeds.items() if not one.pages and key != name),
                key=lambda pair: pair[0],
            )
            for _, key in idle[: max(0, len(self._feeds) - self._most)]:
                await self._feeds.pop(key).close()
        feed.used = time.monotonic()
        return feed

    async def sweep(self) -> None:
        """End the feeds that no page has asked for a while."""
        now = time.monotonic()
        for name, feed in list(self._feeds.items()):
            if not feed.pages and now - feed.used > self._idle:
                await self._feeds.pop(name).close()

    async def forget(self, identity: str) -> None:
        """End all feeds of an identity: nobody is signed in as it any more."""
        for name in [name for name in self._feeds if name.identity == identity]:
            await self._feeds.pop(name).close()

    async def close(self) -> None:
        """End all feeds."""
        while self._feeds:
            await self._feeds.popitem()[1].close()

    @property
    def watches(self) -> int:
        """Watches upstream, over all feeds."""
        return sum(feed.watches for feed in self._feeds.values())

    @property
    def pages(self) -> int:
        """Subscribed pages, over all feeds."""
        return sum(feed.pages for feed in self._feeds.values())
