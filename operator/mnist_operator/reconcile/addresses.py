"""Addresses that load balancers gave to the Services of Ray heads."""

from __future__ import annotations

import time
from collections.abc import Callable

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import SERVICES

_PAUSE = 5.0
_REMEMBERED = 20_000


class BalancerAddresses:
    """Asks for a Service by its name until its load balancer has an address."""

    def __init__(self, api: KubeApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._found: dict[tuple[str, str], str] = {}
        self._asked: dict[tuple[str, str], float] = {}

    def known(self, namespace: str, service: str | None) -> str | None:
        """Return the address, if it is known."""
        return self._found.get((namespace, service)) if service else None

    async def find(self, namespace: str, service: str) -> bool:
        """Ask for the address. Return whether it became known.

        Raises:
            ApiError: when the API server cannot be asked.
        """
        key = (namespace, service)
        if key in self._found or self._clock() - self._asked.get(key, -_PAUSE) < _PAUSE:
            return False
        self._asked[key] = self._clock()
        for remembered in (self._found, self._asked):
            while len(remembered) > _REMEMBERED:
                remembered.pop(next(iter(remembered)))
        try:
            found = await self._api.get(SERVICES.path(namespace, service))
        except ApiError as error:
            if error.status in {403, 404}:
                return False
            raise
        for ingress in ((found.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []:
            if address := ingress.get("hostname") or ingress.get("ip"):
                self._found[key] = f"[{address}]" if ":" in address else address
                return True
        return False
