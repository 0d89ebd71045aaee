"""Puts the parts together: a running server over a fresh store, or over one that it has journalled."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from mnist_local.apiserver import kindrules
from mnist_local.apiserver.controllers import ControlLoop, DefinitionController, NamespaceController, RoleAggregation
from mnist_local.apiserver.engine import Context, Engine
from mnist_local.apiserver.garbage import GarbageCollector
from mnist_local.apiserver.journal import Journal
from mnist_local.apiserver.kinds import builtin_resources
from mnist_local.apiserver.pki import kubeconfig, load_or_make, write_private
from mnist_local.apiserver.roles import populate
from mnist_local.apiserver.server import Server
from mnist_local.apiserver.tokens import Tokens


@dataclass(slots=True)
class Running:
    """A server that accepts connections."""

    ctx: Context
    url: str
    kubeconfig: Path
    runner: web.ServerRunner
    loops: list[ControlLoop[object]]
    journal: Journal | None = None

    async def stop(self) -> None:
        self.ctx.stop()
        for loop in self.loops:
            await loop.stop()
        await self.runner.cleanup()
        if self.journal is not None:
            self.journal.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        OSError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def assemble(ctx: Context, journal: Journal | None = None) -> list[ControlLoop[object]]:
    """Fill a context with the built-in resources and a fresh cluster's objects; returns the control loops.

    With a journal the context's objects are those that it holds, and it notes what is written from then on.
    """
    kindrules.register()
    for resource in builtin_resources():
        ctx.registry.add(resource)
    engine = Engine(ctx)
    controllers = [
        kind(engine) for kind in (DefinitionController, NamespaceController, RoleAggregation, GarbageCollector)
    ]
    if journal is not None:
        journal.attach(ctx.store)  # the controllers listen by now, and learn of what is restored
    populate(engine)
    loops: list[ControlLoop[object]] = [controller.loop for controller in controllers]  # type: ignore[misc]
    for loop in loops:
        loop.drain()
    return loops


async def serve(
    sock: socket.socket, host: str, data_dir: Path, pod_log_dir: Path | None, durable: bool = False
) -> Running:
    """Serve on a listening socket and write `kubeconfig` and `pki/ca.crt` once requests are answered.

    A durable server goes on with the objects, the keys and the tokens that one before it left in `data_dir`.

    Raises:
        JournalError: what was left is damaged.
        OSError: the folder cannot be used.
    """
    state = data_dir / "state" if durable else None
    identity = load_or_make(host, state)
    ctx = Context(pod_log_dir=pod_log_dir, ca_pem=identity.ca_pem)
    journal = Journal(state / "journal.jsonl") if state else None
    loops = assemble(ctx, journal)
    server = Server(ctx, Tokens(ctx.store, identity.signing_key, identity.admin_token))
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, sock, ssl_context=identity.context).start()
    for loop in loops:
        loop.start()
    shown = f"[{host}]" if ":" in host else host
    url = f"https://{shown}:{sock.getsockname()[1]}"
    write_private(data_dir / "pki" / "ca.crt", identity.ca_pem)
    config = data_dir / "kubeconfig"
    write_private(config, kubeconfig(url, identity.ca_pem, identity.admin_token))
    return Running(ctx, url, config, runner, loops, journal)
