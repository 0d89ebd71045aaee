"""A thin asynchronous client of the Kubernetes REST API: raw JSON in, raw JSON out.

The generated client costs a second of CPU and 60 MB to import; a development tool that a user waits for has neither.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeconfig import Connection

MERGE_PATCH = "application/merge-patch+json"
_REQUEST_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Resource:
    """A namespaced resource: its API version and plural name."""

    api_version: str
    plural: str
    kind: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of the collection, of one object or of one subresource; namespace None means all."""
        parts = ["", "api" if "/" not in self.api_version else "apis", self.api_version]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/".join(parts)


RAYCLUSTERS = Resource("ray.io/v1", "rayclusters", "RayCluster")
RAYJOBS = Resource("ray.io/v1", "rayjobs", "RayJob")
PODS = Resource("v1", "pods", "Pod")
SERVICES = Resource("v1", "services", "Service")
SECRETS = Resource("v1", "secrets", "Secret")
CONFIGMAPS = Resource("v1", "configmaps", "ConfigMap")
EVENTS = Resource("v1", "events", "Event")
SERVICEACCOUNTS = Resource("v1", "serviceaccounts", "ServiceAccount")
JOBS = Resource("batch/v1", "jobs", "Job")


class ApiError(Exception):
    """The API server refused a request; `message` is its own sentence."""

    def __init__(self, status: int, body: Any) -> None:
        """`body` is the parsed answer, a v1 Status where the server keeps to the API's conventions."""
        details = body if isinstance(body, dict) else {}
        self.status = status
        self.reason: str = details.get("reason", "")
        self.message: str = details.get("message") or (body if isinstance(body, str) else f"HTTP {status}")
        super().__init__(self.message)


def is_not_found(error: ApiError) -> bool:
    """Whether the object does not exist."""
    return error.status == 404


def is_conflict(error: ApiError) -> bool:
    """Whether the object changed since it was read."""
    return error.status == 409 and error.reason != "AlreadyExists"


def _session(connection: Connection) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"Accept": "application/json", "User-Agent": connection.user_agent, **connection.headers},
        connector=aiohttp.TCPConnector(ssl=connection.ssl or True, limit=0),
        proxy=connection.proxy,
    )


def _look_at(task: "asyncio.Task[bytes]") -> None:
    """A read that nobody waits for any more may fail unheard."""
    if not task.cancelled():
        task.exception()


class KubeApi:
    """Requests to one API server over one connection pool."""

    def __init__(self, connection: Connection) -> None:
        """Use inside a running event loop; close with `close`."""
        self.connection = connection
        self._session = _session(connection)
        self._replaced = asyncio.Event()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def reconnect(self, connection: Connection) -> None:
        """Go on with another connection: the server was started anew, with other keys."""
        former, self._session = self._session, _session(connection)
        self.connection = connection
        self._replaced.set()  # ends the watches: a closed TLS connection alone may leave them waiting for minutes
        self._replaced = asyncio.Event()
        await former.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Json:
        """One request. Raises ApiError when it is refused, aiohttp.ClientError when the server is not reached."""
        async with self._session.request(
            method,
            self.connection.server + path,
            data=None if body is None else json.dumps(body),
            params=params,
            headers={"Content-Type": content_type, "Accept": accept},
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S),
            server_hostname=self.connection.server_name,
        ) as response:
            text = await response.text()
            try:
                answer = json.loads(text)
            except ValueError:
                answer = text
            if response.status >= 400:
                raise ApiError(response.status, answer)
            return answer if isinstance(answer, dict) else {}

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """One object; ApiError 404 where it is missing."""
        return await self.request("GET", resource.path(namespace, name))

    async def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """One object, or None where it is missing."""
        try:
            return await self.get(resource, namespace, name)
        except ApiError as error:
            if is_not_found(error):
                return None
            raise

    async def list(self, resource: Resource, namespace: str | None, params: Mapping[str, str] | None = None) -> Json:
        """A whole collection, items completed with the apiVersion and kind that lists leave out."""
        answer = await self.request("GET", resource.path(namespace), params=params)
        for item in answer.get("items") or []:
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return answer

    async def create(self, resource: Resource, obj: Json) -> Json:
        """Create an object in the namespace of its metadata."""
        return await self.request("POST", resource.path(obj["metadata"]["namespace"]), obj)

    async def replace(self, resource: Resource, obj: Json) -> Json:
        """Write the whole object, but not its status, under the precondition of its resourceVersion."""
        return await self.request("PUT", resource.path(obj["metadata"]["namespace"], obj["metadata"]["name"]), obj)

    async def replace_status(self, resource: Resource, obj: Json) -> Json:
        """Write `obj.status` under the precondition of its resourceVersion."""
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        return await self.request("PUT", resource.path(namespace, name, "status"), obj)

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, patch: Json, subresource: str | None = None
    ) -> Json:
        """RFC 7386 merge patch; lists are replaced whole."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, patch, content_type=MERGE_PATCH)

    async def delete(
        self,
        resource: Resource,
        obj: Json,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
    ) -> bool:
        """Delete exactly this object (by uid); False where it, or an object of its name, is already gone."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options["preconditions"] = {"uid": obj["metadata"]["uid"]}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation_policy is not None:
            options["propagationPolicy"] = propagation_policy
        path = resource.path(obj["metadata"]["namespace"], obj["metadata"]["name"])
        try:
            await self.request("DELETE", path, options)
        except ApiError as error:
            if error.status in {404, 409}:
                return False
            raise
        return True

    async def watch(
        self, resource: Resource, namespace: str | None, params: Mapping[str, str], idle_timeout_s: float
    ) -> AsyncIterator[Json]:
        """Watch events as the server sends them, until it ends the stream.

        Raises ApiError (410 for an expired resourceVersion) and aiohttp.ClientError or TimeoutError when nothing, not
        even a bookmark, comes for `idle_timeout_s`.
        """
        query = {**params, "watch": "true", "allowWatchBookmarks": "true"}
        buffer = b""
        async with contextlib.aclosing(self.stream(resource.path(namespace), query, idle_timeout_s)) as chunks:
            async for chunk in chunks:
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    if line.strip():
                        yield json.loads(line)

    async def stream(
        self, path: str, params: Mapping[str, str], idle_timeout_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The answer to a GET as it comes, until the server ends it. Raises what `watch` raises."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=idle_timeout_s)
        async with self._session.get(
            self.connection.server + path,
            params=params,
            headers={"Accept": "application/json, */*"},
            timeout=timeout,
            server_hostname=self.connection.server_name,
        ) as response:
            if response.status >= 400:
                text = await response.text()
                try:
                    raise ApiError(response.status, json.loads(text or "{}"))
                except ValueError:
                    raise ApiError(response.status, text) from None
            async for chunk in self._chunks(response):
                yield chunk

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body as it comes, until the server ends it or the connection is replaced (ClientConnectionError)."""
        replaced = asyncio.create_task(self._replaced.wait())
        try:
            while not response.content.at_eof():
                reading = asyncio.create_task(response.content.readany())
                reading.add_done_callback(_look_at)
                await asyncio.wait([reading, replaced], return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    raise aiohttp.ClientConnectionError("the connection to the API server was replaced")
                yield reading.result()
        finally:
            replaced.cancel()
