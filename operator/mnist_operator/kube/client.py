"""Requests to the Kubernetes API. Objects are plain dictionaries, errors say what the server said."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from mnist_operator.kube.throttle import Throttle

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
# Each takes a handshake and memory on both sides; more of them do not make the server faster.
_CONNECTIONS = 16
Object = dict[str, Any]
Observer = Callable[[str, int, float], None]
"""Is told the verb, the status code (0: not reached) and the seconds of each request."""


class ApiError(Exception):
    """The API server refused a request, or could not be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def not_found(self) -> bool:
        """Whether the object (or its kind) is not there."""
        return self.status == 404

    @property
    def already_exists(self) -> bool:
        """Whether an object of that name is there already."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """Whether the object has changed since it was read, or is not the one that was meant."""
        return self.status == 409 and self.reason != "AlreadyExists"

    @property
    def may_pass(self) -> bool:
        """Whether the same request may well succeed in a moment: the server was not reached, is busy or failed."""
        return self.status in {0, 429} or self.status >= 500


class KubeApi:
    """One connection pool to one API server."""

    def __init__(
        self,
        api_client: client.ApiClient,
        observe: Observer | None = None,
        timeout: float = 30.0,
        may_write: Callable[[], bool] = lambda: True,
        throttle: Throttle | None = None,
    ) -> None:
        self._client = api_client
        self._observe = observe
        self._timeout = timeout
        self._may_write = may_write
        self._throttle = throttle

    @classmethod
    @asynccontextmanager
    async def connection(cls, observe: Observer | None = None) -> AsyncIterator[Self]:
        """Connect as the environment says: KUBECONFIG, else the pod's ServiceAccount, else ~/.kube/config."""
        await config.load_config()
        configuration = client.Configuration.get_default_copy()
        # Else aiohttp reads ~/.netrc in a thread before each request, which is a fifth of all that this process does.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.connection_pool_maxsize = _CONNECTIONS
        async with client.ApiClient(configuration) as api_client:
            yield cls(api_client, observe)

    def guarded(self, may_write: Callable[[], bool], throttle: Throttle | None = None) -> KubeApi:
        """Return the same connection with a check before each write, and with a limit on requests."""
        return KubeApi(self._client, self._observe, self._timeout, may_write, throttle)

    def hasty(self, timeout: float) -> KubeApi:
        """Return the same connection with less patience: a request ends after `timeout` seconds."""
        return KubeApi(self._client, self._observe, timeout, self._may_write, self._throttle)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """GET an object or a list."""
        return await self._request("GET", path, query=query)

    async def create(self, path: str, body: Object, *, strict: bool = False) -> Object:
        """POST to a collection; strict refuses fields that the server does not know instead of dropping them."""
        return await self._request("POST", path, body, query={"fieldValidation": "Strict"} if strict else None)

    async def patch(self, path: str, body: Object | list[Object], content_type: str = MERGE_PATCH) -> Object:
        """PATCH an object or a subresource."""
        return await self._request("PATCH", path, body, content_type)

    async def replace(self, path: str, body: Object) -> Object:
        """PUT an object over the version that `body` names."""
        return await self._request("PUT", path, body)

    async def delete(self, path: str, uid: str, propagation: str = "Background") -> Object:
        """DELETE the object of that uid and no other of the same name."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
        }
        return await self._request("DELETE", path, options)

    async def _request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        if self._throttle is not None:
            await self._throttle.wait()
        if method != "GET" and not self._may_write():
            raise ApiError(0, "NotActive", f"{method} {path}: this operator is not the active one any more")
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "mnist-operator"}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._client.configuration.host}{path}"
        if query:
            url = f"{url}?{urlencode(query)}"
        started = time.perf_counter()
        try:
            response = await self._client.call_api(method, url, headers, body, _request_timeout=self._timeout)
            raw = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._count(method, 0, started)
            raise ApiError(0, "Unreachable", f"{method} {path}: {error or type(error).__name__}") from error
        self._count(method, response.status, started)
        answer = _parsed(raw)
        if response.status >= 400:
            wait = _retry_after(response.headers)
            if self._throttle is not None and wait and response.status in {429, 503}:
                self._throttle.pause(wait)
            reason, message = str(answer.get("reason") or ""), str(answer.get("message") or response.reason or "")
            raise ApiError(response.status, reason, message, wait)
        return answer

    def _count(self, method: str, status: int, started: float) -> None:
        if self._observe is not None:
            self._observe(method, status, time.perf_counter() - started)


def _parsed(raw: bytes | None) -> Object:
    try:
        answer = json.loads(raw or b"{}")
    except ValueError:
        return {"message": (raw or b"")[:200].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)[:200]}


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    value = (headers or {}).get("Retry-After", "")
    return float(value) if value.isdigit() else None
