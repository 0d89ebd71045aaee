"""One cluster, and who we are there: the connection, and what every method of a client does with it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
from collections.abc import AsyncGenerator, Awaitable, Mapping
from pathlib import Path
from typing import Self, TypeVar

from mnist_client.connect import Origin
from mnist_client.errors import NotFoundError, RefusedError, WaitTimeout
from mnist_client.explain import explained, is_served
from mnist_client.storage import Storage
from mnist_client.storedlogs import read_log
from mnist_client.threads import in_thread
from mnist_client.training import Training
from mnist_kube.client import KubeApi
from mnist_kube.connection import Connection
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import NAMESPACES, SECRETS, TRAININGS

T = TypeVar("T")

Which = str | Training
"""A training by its name, or as it was submitted or seen."""


class Session:
    """The connection of a client; `AsyncClient` says what its arguments are."""

    def __init__(
        self,
        namespace: str | None = None,
        *,
        kubeconfig: str | Path | None = None,
        context: str | None = None,
        server: str | None = None,
        token: str | None = None,
        ca: str | Path | None = None,
        connection: Connection | None = None,
        endpoint: str | None = None,
        manager: str = "mnist-client",
        timeout: float = 30.0,
    ) -> None:
        self._origin = Origin(Path(kubeconfig) if kubeconfig else None, context, server, token, ca)
        self._connection = connection or self._origin.connection()
        self._renewable = connection is None and self._connection.renewable
        self._endpoint = endpoint
        self._manager = manager
        self._timeout = timeout
        self._api: KubeApi | None = None
        self._namespace = namespace or self._connection.namespace

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._api is not None:
            await self._api.close()
            self._api = None
            await asyncio.sleep(0)  # lets aiohttp close its sockets before the loop ends

    def as_user(self, token: str, namespace: str | None = None) -> Self:
        """Return a client of the same cluster for the bearer of a token. It is cheap, and closed by itself."""
        return type(self)(
            namespace or self.namespace,
            connection=self.connection.with_token(token.strip()),
            endpoint=self._endpoint,
            manager=self._manager,
            timeout=self._timeout,
        )

    def in_namespace(self, namespace: str) -> Self:
        """Return a client for another namespace on the same connections; closing one closes both."""
        _ = self.api
        view = copy.copy(self)
        view._namespace = namespace
        return view

    @property
    def namespace(self) -> str:
        """Where trainings are looked for and made."""
        return self._namespace

    @property
    def connection(self) -> Connection:
        """The API server, and who we are there."""
        return self._connection if self._api is None else self._api.connection

    @property
    def api(self) -> KubeApi:
        """The Kubernetes API itself, for what this client has no method for; it raises `mnist_kube.errors.ApiError`."""
        if self._api is None:
            renew = self._renewed if self._renewable else None
            self._api = KubeApi(self._connection, user_agent=self._manager, timeout=self._timeout, renew=renew)
        return self._api

    async def _renewed(self) -> Connection:
        return await in_thread(self._origin.connection)

    # --- trainings ----------------------------------------------------------------------------------------------------

    def _key(self, training: Which, namespace: str | None) -> tuple[str, str]:
        if isinstance(training, Training):
            return namespace or training.namespace or self.namespace, training.name
        if training in ("", ".", ".."):  # as parts of a path these are no names
            raise RefusedError(f"{training!r} is no name of a training")
        return namespace or self.namespace, training

    async def _object(self, namespace: str, name: str) -> Object:
        try:
            return await self.api.get(TRAININGS.path(namespace, name))
        except ApiError as error:
            # A missing kind is answered with 404 too, but not with a name.
            if not (error.not_found and is_served(error)):
                raise await explained(error, self.connection) from error
        raise NotFoundError(
            f"there is no MnistTraining {name!r} in namespace {namespace!r}{await self._hint(namespace)}"
        )

    async def _hint(self, namespace: str) -> str:
        """What to add where a training is missing: perhaps there is no such namespace, if we may know that."""
        try:
            missing = await self.api.find(NAMESPACES.path(name=namespace)) is None
        except ApiError:
            return ""
        return "; there is no such namespace" if missing else ""

    async def _asked(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except ApiError as error:
            raise await explained(error, self.connection) from error

    async def _told(self, seen: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        async with contextlib.aclosing(seen):
            try:
                async for item in seen:
                    yield item
            except ApiError as error:
                raise await explained(error, self.connection) from error

    # --- the bucket ---------------------------------------------------------------------------------------------------

    def _storage(self, obj: Object) -> Storage:
        metadata, loop = obj["metadata"], asyncio.get_running_loop()

        def secret(namespace: str, name: str) -> Mapping[str, str] | None:
            if loop.is_closed():
                raise RuntimeError("the client is closed: make a new one, or read the result before")
            return asyncio.run_coroutine_threadsafe(self._secret(namespace, name), loop).result()

        spec = (obj.get("spec") or {}).get("storage") or {}
        where = metadata.get("namespace") or self.namespace
        return Storage(where, metadata["name"], spec, secret, self._endpoint)

    async def _secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        try:
            secret = await self.api.get(SECRETS.path(namespace, name))
        except ApiError as error:
            if error.status in (403, 404):
                return None
            raise await explained(error, self.connection) from error
        return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}

    async def _stored_log(self, obj: Object, attempt: int) -> bytes | None:
        prefix, storage = Training.of(obj).run_prefix, self._storage(obj)
        return await in_thread(read_log, storage.open, prefix, attempt)


async def bounded(seen: AsyncGenerator[T, None], seconds: float | None, what: str) -> AsyncGenerator[T, None]:
    """The same, until so many seconds are over. Raises WaitTimeout."""
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    async with contextlib.aclosing(seen):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    item = await anext(seen)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise WaitTimeout(f"{what} after {seconds:g} s") from None
            yield item
