"""The cluster as one identity sees it: what may be done, which namespaces show, and the shared feeds.

Rights are asked of the API server (SelfSubjectAccessReview) and remembered for half a minute. They decide only what a
page offers, with the reason; each action is decided by the API server itself when it is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import CORE_EVENTS, NAMESPACES, PODS, RAYCLUSTERS, TRAININGS, Resource
from mnist_portal.curves import Curves
from mnist_portal.identity import Identity, whoami
from mnist_portal.kept import Kept
from mnist_portal.live import Feed, FeedName, Hub, Place
from mnist_portal.rows import RowCache
from mnist_portal.settings import Settings

T = TypeVar("T")

MANAGER = "mnist-portal"
"""The field manager of what the portal writes."""
TRAINING_LABEL = "mnist.training/training"
_RIGHTS_S = 30.0
_SCOPE_S = 30.0
_TIMEOUT_S = 20.0
_VERIFY_S = 5.0  # a page waits for it
_MOST_NAMESPACES = 100
_MOST_RIGHTS = 2000
_AT_A_TIME = 8
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Verdict:
    """Whether something may be done; `reason` is a sentence for whoever may not."""

    allowed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True)
class Scope:
    """Where trainings are shown from: `places` for the feeds, `names` to choose among (empty where unknown)."""

    places: tuple[Place, ...]
    names: tuple[str, ...]

    @property
    def everywhere(self) -> bool:
        """Whether one watch sees all namespaces."""
        return self.places == (None,)


class Access:
    """One identity at one API server. Make it inside a running event loop, and close it."""

    def __init__(self, identity: Identity, settings: Settings, hub: Hub) -> None:
        self.identity = identity
        self.api = KubeApi(identity.connection, user_agent=MANAGER, timeout=_TIMEOUT_S, limit=64, renew=identity.renew)
        self.curves = Curves()
        self.rows = RowCache()
        self.kept = Kept()
        self.used = time.monotonic()
        self.settings = settings
        self._hub = hub
        self._verified = time.monotonic()
        self._asked_for: list[str] = []
        self._rights: dict[tuple[str, ...], tuple[float, Verdict]] = {}
        self._scope: tuple[float, Scope] | None = None
        self._locks: dict[str, asyncio.Lock] = {}

    def forget_rights(self) -> None:
        """Ask for all rights anew, before the half minute is over."""
        self._rights.clear()
        self._scope = None

    async def verify(self) -> None:
        """Ask the API server, now and then, whether the credentials still hold: feeds and rights outlive them.

        Raises ApiError: 401 where they do not. A server that cannot be reached is another problem, and not told here.
        """
        async with self._lock("verify"):
            if time.monotonic() - self._verified < self.settings.verify_seconds:
                return
            try:
                await whoami(self.api.with_timeout(_VERIFY_S))
            except ApiError as error:
                if error.status == 401:
                    raise
            self._verified = time.monotonic()

    async def close(self) -> None:
        """End the feeds and the connections."""
        await self._hub.forget(self.identity.key)
        await self.api.close()

    # --- rights ------------------------------------------------------------------------------------------------------

    async def may(self, verb: str, resource: Resource, namespace: Place = None, subresource: str = "") -> Verdict:
        """Ask whether this identity may do something; None as namespace means in all of them. Raises ApiError."""
        key = (verb, resource.api_version, resource.plural, subresource, namespace or "")
        known = self._rights.get(key)
        if known is not None and time.monotonic() - known[0] < _RIGHTS_S:
            return known[1]
        group = resource.api_version.rpartition("/")[0]
        asked = {"verb": verb, "group": group, "resource": resource.plural, "subresource": subresource}
        if namespace:
            asked["namespace"] = namespace
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        answer = await self.api.create(_REVIEWS, {**body, "spec": {"resourceAttributes": asked}})
        status = answer.get("status") or {}
        what = f"{resource.plural}/{subresource}" if subresource else resource.plural
        where = f"in namespace {namespace}" if namespace else "in all namespaces"
        told = f": {status['reason']}" if status.get("reason") else ""
        verdict = Verdict(bool(status.get("allowed")), f"{self.identity.name} may not {verb} {what} {where}{told}")
        if len(self._rights) >= _MOST_RIGHTS:
            self._rights.clear()
        self._rights[key] = (time.monotonic(), verdict)
        return verdict

    async def rights(self, namespace: str, *wanted: tuple[str, Resource, str]) -> list[Verdict]:
        """Ask for several (verb, resource, subresource) in a namespace at once."""
        return await gathered(*(self.may(verb, resource, namespace, sub) for verb, resource, sub in wanted))

    # --- namespaces --------------------------------------------------------------------------------------------------

    async def scope(self) -> Scope:
        """Return where this identity may list trainings. Raises ApiError."""
        async with self._lock("scope"):
            if self._scope is None or time.monotonic() - self._scope[0] > _SCOPE_S:
                self._scope = (time.monotonic(), await self._find_scope())
            return self._scope[1]

    async def look_into(self, namespace: str) -> Verdict:
        """Add a namespace that somebody names to those that are shown, if its trainings may be listed."""
        verdict = await self.may("list", TRAININGS, namespace)
        if verdict and namespace not in self._asked_for and not self.settings.namespaces:
            self._asked_for = [*self._asked_for, namespace][-_MOST_NAMESPACES:]
            self._scope = None
        return verdict

    async def _find_scope(self) -> Scope:
        configured = self.settings.namespaces
        if not configured and await self.may("list", TRAININGS):
            return Scope((None,), tuple(await self._namespaces()))
        candidates = list(configured) or [*await self._namespaces(), self.api.connection.namespace, *self._asked_for]
        candidates = list(dict.fromkeys(candidates))[:_MOST_NAMESPACES]
        slots = asyncio.Semaphore(_AT_A_TIME)

        async def allowed(name: str) -> bool:
            async with slots:
                return bool(await self.may("list", TRAININGS, name))

        seen = await gathered(*(allowed(name) for name in candidates))
        names = tuple(name for name, yes in zip(candidates, seen, strict=True) if yes)
        return Scope(names, names)

    async def _namespaces(self) -> list[str]:
        try:
            found = await self.api.list(NAMESPACES.path(), tries=1)
        except ApiError as error:
            if error.status in {403, 404}:
                return []
            raise
        return sorted(item["metadata"]["name"] for item in found["items"])

    # --- feeds -------------------------------------------------------------------------------------------------------

    async def trainings(self) -> Feed:
        """Return the feed of all trainings that show; it also keeps their curves. Raises ApiError."""
        scope = await self.scope()
        return await self._feed(TRAININGS, scope.places, on_change=self.curves.observe)

    async def training_feed(self, namespace: str) -> Feed:
        """Return a feed with the trainings of one namespace: the feed of all where that has it. Raises ApiError."""
        scope = await self.scope()
        if scope.everywhere or namespace in scope.places:
            return await self.trainings()
        return await self._feed(TRAININGS, (namespace,), on_change=self.curves.observe)

    async def training(self, namespace: str, name: str) -> Object:
        """Return a training, from the feed or, if that does not have it yet, from the API server. Raises ApiError."""
        feed = await self.training_feed(namespace)
        return feed.get((namespace, name)) or await self.api.get(TRAININGS.path(namespace, name))

    async def pods(self, namespace: str) -> Feed:
        """Return the feed of the pods of all trainings in a namespace."""
        return await self._feed(PODS, (namespace,), {"labelSelector": TRAINING_LABEL}, wait=False)

    async def ray_pods(self, namespace: str) -> Feed:
        """Return the feed of the pods of all RayClusters in a namespace."""
        return await self._feed(PODS, (namespace,), {"labelSelector": "ray.io/cluster"}, wait=False)

    async def events(self, namespace: str) -> Feed:
        """Return the feed of the events of a namespace."""
        return await self._feed(CORE_EVENTS, (namespace,), wait=False)

    async def clusters(self) -> Feed:
        """Return the feed of the RayClusters that show. Raises ApiError."""
        scope = await self.scope()
        places: tuple[Place, ...] = scope.places
        if scope.everywhere and not await self.may("list", RAYCLUSTERS):
            allowed = await gathered(*(self.may("list", RAYCLUSTERS, name) for name in scope.names))
            places = tuple(name for name, yes in zip(scope.names, allowed, strict=True) if yes)
        return await self._feed(RAYCLUSTERS, places)

    async def _feed(
        self,
        resource: Resource,
        places: tuple[Place, ...],
        query: dict[str, str] | None = None,
        on_change: Callable[[Object, bool], None] = lambda obj, deleted: None,
        wait: bool = True,
    ) -> Feed:
        self.used = time.monotonic()
        name = FeedName(self.identity.key, resource.plural, places, tuple(sorted((query or {}).items())))
        feed = await self._hub.feed(name, lambda: Feed(self.api, resource, places, query, on_change))
        if wait:
            await feed.ready()
        return feed

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


class Accesses:
    """One `Access` for each identity that was here lately."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self.settings, self._hub = settings, hub
        self._by_key: dict[str, Access] = {}

    def of(self, identity: Identity) -> Access:
        """Return the access of an identity."""
        access = self._by_key.get(identity.key)
        if access is None:
            access = self._by_key[identity.key] = Access(identity, self.settings, self._hub)
        access.used = time.monotonic()
        return access

    async def sweep(self, signed_in: set[str]) -> None:
        """Close the access of everybody who is not signed in any more and was not here for a while."""
        now = time.monotonic()
        for key, access in list(self._by_key.items()):
            if key not in signed_in and now - access.used > self.settings.feed_idle_seconds:
                del self._by_key[key]
                await access.close()

    async def forget(self, identity: Identity) -> None:
        """Close the access of an identity at once: nobody is signed in as it any more."""
        access = self._by_key.pop(identity.key, None)
        if access is not None:
            await access.close()

    def forget_rights(self) -> None:
        """Ask for all rights anew, before the half minute is over."""
        for access in self._by_key.values():
            access.forget_rights()

    async def close(self) -> None:
        """Close all."""
        while self._by_key:
            await self._by_key.popitem()[1].close()


async def gathered(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Do all of it at once, and raise the first error as it is."""
    return list(await asyncio.gather(*work))
