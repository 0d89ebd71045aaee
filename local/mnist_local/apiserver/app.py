"""Puts the parts together: a running server over a fresh store, or over one that it has journalled."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from mnist_local.apiserver import kindrules  # noqa: F401 - puts the kinds' hooks where the engine finds them
from mnist_local.apiserver.controllers import ControlLoop, DefinitionController, NamespaceController, RoleAggregation
from mnist_local.apiserver.engine import Engine
from mnist_local.apiserver.garbage import GarbageCollector
from mnist_local.apiserver.journal import Journal
from mnist_local.apiserver.kinds import builtin_resources
from mnist_local.apiserver.pki import kubeconfig, load_or_make, write_private
from mnist_local.apiserver.roles import populate
from mnist_local.apiserver.server import Server
from mnist_local.apiserver.tokens import Tokens

HOST = "127.0.0.1"


@dataclass(slots=True)
class Running:
    """A server that accepts connections."""

    engine: Engine
    url: str
    kubeconfig: Path
    runner: web.ServerRunner
    controllers: asyncio.Future[Any]
    journal: Journal | None = None

    async def stop(self) -> None:
        self.engine.stop()
        self.controllers.cancel()
        await self.runner.cleanup()
        if self.journal is not None:
            self.journal.close()


def listen(port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    sock = socket.create_server((HOST, port), backlog=1024)
    sock.setblocking(False)
    return sock


def assemble(engine: Engine, journal: Journal | None = None) -> list[ControlLoop[Any]]:
    """Fill a server with the built-in resources and a fresh cluster's objects; returns the controllers.

    With a journal the server's objects are those that it holds, and it notes what is written from then on.
    """
    for resource in builtin_resources():
        engine.registry.add(resource)
    controllers: list[ControlLoop[Any]] = [
        DefinitionController(engine), NamespaceController(engine), RoleAggregation(engine), GarbageCollector(engine),
    ]  # fmt: skip
    if journal is not None:
        journal.attach(engine.store)  # the controllers listen by now, and learn of what is restored
    populate(engine)
    return controllers


async def serve(sock: socket.socket, data_dir: Path, pod_log_dir: Path | None, durable: bool = False) -> Running:
    """Serve on a listening socket and write `kubeconfig` and `pki/ca.crt` once requests are answered.

    A durable server goes on with the objects, the keys and the tokens that one before it left in `data_dir`.

    Raises:
        JournalError: what was left is damaged.
        OSError: the folder cannot be used.
    """
    state = data_dir / "state" if durable else None
    identity = load_or_make(state)
    engine = Engine(pod_log_dir=pod_log_dir, ca_pem=identity.ca_pem)
    journal = Journal(state / "journal.jsonl") if state else None
    controllers = assemble(engine, journal)
    running = asyncio.gather(*(controller.run() for controller in controllers))
    # Who asks first finds the namespaces' accounts and the aggregated roles.
    while any(len(controller.queue) for controller in controllers):  # noqa: ASYNC110 - a moment
        await asyncio.sleep(0)
    server = Server(engine, Tokens(engine.store, identity.signing_key, identity.admin_token))
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, sock, ssl_context=identity.context).start()
    url = f"https://{HOST}:{sock.getsockname()[1]}"
    write_private(data_dir / "pki" / "ca.crt", identity.ca_pem)
    config = data_dir / "kubeconfig"
    write_private(config, kubeconfig(url, identity.ca_pem, identity.admin_token))
    return Running(engine, url, config, runner, running, journal)
