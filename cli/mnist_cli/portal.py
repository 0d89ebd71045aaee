"""`mnistctl portal`: the portal's pages on this machine, with one's own kubeconfig."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_cli.cluster import Where
from mnist_cli.options import Context, Kubeconfig, Namespace
from mnist_cli.running import CommandError

if TYPE_CHECKING:
    from mnist_kube.connection import Connection
    from mnist_portal.identity import Identity
    from mnist_portal.server import Server

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="On 127.0.0.1; 0 takes a free one.")]
AddressFile = Annotated[
    Path | None,
    typer.Option("--address-file", metavar="FILE", help="Keep the present one-time address in a file, for you alone."),
]


def portal(
    port: Port = 0,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
    address_file: AddressFile = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Open the portal's pages in the browser.

    It listens on 127.0.0.1, does what your kubeconfig lets you do, and ends with Ctrl-C. The address that it prints
    opens it once; whoever has not that address gets nothing.
    """
    from mnist_cli.eventloop import InterruptedRunError, run
    from mnist_kube.kubeconfig import KubeconfigError, load

    where = Where(kubeconfig, context, namespace)
    try:
        connection = load(kubeconfig, context)
    except KubeconfigError as error:
        raise CommandError(str(error)) from None
    try:
        run(_serve(connection, where, port, show, address_file))
    except InterruptedRunError:
        print("the portal has ended")
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise CommandError(f"port {port} on 127.0.0.1 cannot be used: {why}; choose another --port") from None
    finally:
        if address_file is not None:
            address_file.unlink(missing_ok=True)


async def _serve(connection: Connection, where: Where, port: int, show: bool, address_file: Path | None) -> int:
    from mnist_client.threads import in_thread
    from mnist_portal.server import Server, running
    from mnist_portal.settings import Mode, Settings

    identity = await _identity(connection, where)
    settings = Settings(
        mode=Mode.LOCAL, port=port, ray_port=0, namespaces=(where.namespace,) if where.namespace else ()
    )
    server: Server

    def told(token: str) -> None:
        if address_file is not None:
            _keep(address_file, one_time(server.address, token))

    server = Server(settings, local=identity, on_token=told)
    async with running(server):
        assert server.portal.one_time is not None
        address = one_time(server.address, server.portal.one_time.value)
        print(f"{address}\n# opens the portal once, as {identity.name}; Ctrl-C ends it", flush=True)
        if show and not await in_thread(_open, address):
            print("# no browser was found: open the address yourself", flush=True)
        await asyncio.Event().wait()
    return 0


async def _identity(connection: Connection, where: Where) -> Identity:
    from mnist_client.threads import in_thread
    from mnist_kube.client import KubeApi
    from mnist_kube.errors import ApiError
    from mnist_kube.kubeconfig import load
    from mnist_portal.identity import of_kubeconfig, whoami

    async def renew() -> Connection:
        return await in_thread(load, where.kubeconfig, where.context)

    name = "you"
    async with KubeApi(connection, user_agent="mnistctl", timeout=5, renew=renew) as api:
        try:
            name = await whoami(api, otherwise="you")
        except ApiError:
            name = "you"  # the pages say what is wrong, and go on when it is right again
    return of_kubeconfig(connection, name, renew)


def one_time(address: str, token: str) -> str:
    """The address that opens a portal once."""
    return f"{address}/enter?token={token}"


def _keep(file: Path, address: str) -> None:
    """Write a secret address where only its owner reads it, at once and as a whole."""
    partial = file.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(address + "\n")
    partial.replace(file)


def _open(address: str) -> bool:
    import webbrowser

    return webbrowser.open(address)
