"""`mnistctl logs`: the trainer's log, from wherever it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_cli.cluster import Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Name, Namespace
from mnist_cli.running import CommandError
from mnist_client.errors import NoLogError
from mnist_client.logs import LogRequest

if TYPE_CHECKING:
    from mnist_client import AsyncClient


def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written, into new attempts.")] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, metavar="N", help="Default: the last.")] = None,
    tail: Annotated[int | None, typer.Option("--tail", min=0, metavar="LINES", help="Only the last lines.")] = None,
    head: Annotated[bool, typer.Option("--head", help="The Ray head's own log instead.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the trainer's log."""
    request = LogRequest(follow, tail, attempt, head, wait=follow)
    in_cluster(Where(kubeconfig, context, namespace), lambda client: _print(client, name, request))


async def _print(client: AsyncClient, name: str, request: LogRequest) -> int:
    """Print the log to stdout, and what is to say about it to stderr; returns the exit code."""
    from contextlib import aclosing

    try:
        async with aclosing(client.log_chunks(name, request, note=_say)) as chunks:
            async for chunk in chunks:
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
    except NoLogError as error:
        raise CommandError(f"{error.message}; -f waits for it" if error.yet else error.message, 1) from None
    return 0


def _say(text: str) -> None:
    sys.stdout.flush()
    print(f"mnistctl: {text}", file=sys.stderr, flush=True)
