"""A proxy before an API server that answers badly, by a seed: for what an operator must bear. In its own thread."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml
from aiohttp import web
from tests.support.cluster import Cluster

T = TypeVar("T")
FAULTS = ("429", "500", "503", "lost request", "lost answer")


class KubeProxy:
    """Forwards what it is asked to the server of a kubeconfig.

    Of the operator's own requests it spoils the share `spoiled`, each by the next of FAULTS; watches, which are kopf's,
    it passes on, and `cut_watches` ends them all. Every answer waits `delay` seconds. While `refusing`, no request is
    answered; with `gone_once` the next watch is told that its version is too old.
    """

    def __init__(self, kubeconfig: Path, folder: Path, seed: int = 0) -> None:
        self._upstream = Cluster.connect(kubeconfig)
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._watches: set[web.StreamResponse] = set()
        self.spoiled = 0.0
        self.delay = 0.0
        self.refusing = False
        self.gone_once = False
        self._next_fault = itertools.cycle(FAULTS)
        self.faults: Counter[str] = Counter()
        self.abandoned: list[str] = []
        """Requests whose asker did not wait for the answer."""
        self.in_hand = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner, port = self._call(self._start())
        self.kubeconfig = folder / "proxy.kubeconfig"
        config = yaml.safe_load(kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def close(self) -> None:
        """Refuse connections from now on."""
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._upstream.close()

    def cut_watches(self) -> None:
        """Break every watch that is open."""
        for response in list(self._watches):
            self._loop.call_soon_threadsafe(_reset, response)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(15)

    async def _start(self) -> tuple[web.AppRunner, int]:
        context = self._upstream.api.connection.ssl_context or True
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.refusing:
            return _reset(request)
        if "watch" in request.query and self.gone_once:
            self.gone_once = False
            return web.json_response({"reason": "Expired", "message": "too old resource version"}, status=410)
        if "watch" in request.query or "follow" in request.query:
            return await self._watch(request)
        fault = ""
        if request.headers.get("User-Agent") == "mnist-operator" and self._random.random() < self.spoiled:
            fault = next(self._next_fault)
            self.faults[fault] += 1
        if fault.isdigit():
            headers = {"Retry-After": "1"} if fault == "429" else {}
            return web.json_response({"message": "spoiled"}, status=int(fault), headers=headers)
        if fault == "lost request":
            return _reset(request)
        self.in_hand += 1
        try:
            async with self._forward(request, body) as answer:
                data = await answer.read()
                await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.abandoned.append(f"{request.method} {request.path}")
            raise
        finally:
            self.in_hand -= 1
        if fault == "lost answer":
            return _reset(request)
        return web.Response(status=answer.status, body=data, headers={"Content-Type": answer.headers["Content-Type"]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        async with self._forward(request, b"") as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
            await response.prepare(request)
            self._watches.add(response)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            except (ConnectionError, aiohttp.ClientError):
                pass
            finally:
                self._watches.discard(response)
            return response

    def _forward(self, request: web.Request, body: bytes) -> Any:
        kept = ("Accept", "Content-Type", "Authorization", "User-Agent")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        timeout = aiohttp.ClientTimeout(total=None)
        url = f"{self._upstream.url}{request.path_qs}"
        return self._session.request(request.method, url, data=body or None, headers=headers, timeout=timeout)


def _reset(what: Any) -> web.Response:
    """Break the connection of a request or of a response that is being written."""
    request = what if isinstance(what, web.Request) else what._req
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
