"""The cluster that the options name, and how a command does its work there.

A command hands `in_cluster` a function of a client (`mnist_client`), whose errors are one line that says what to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

if TYPE_CHECKING:
    from mnist_client import AsyncClient

MANAGER = "mnistctl"
"""The field manager of what this tool writes."""
_COMPLETION_PATIENCE_S = 2.0


class Where(NamedTuple):
    """What the options say about the cluster and the namespace, and where the bucket is seen from here."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    endpoint: str | None = None

    def client(self) -> AsyncClient:
        """Return a client. Raises ConnectionFailedError where there is no usable kubeconfig."""
        from mnist_client import AsyncClient

        return AsyncClient(
            self.namespace,
            kubeconfig=self.kubeconfig,
            context=self.context,
            endpoint=self.endpoint,
            manager=MANAGER,
        )


def in_cluster(where: Where, work: Callable[[AsyncClient], Awaitable[int]], if_interrupted: str = "") -> NoReturn:
    """Do `work` with a cluster and end the command with its exit code; `if_interrupted` is said when a signal ends it.

    Raises typer.Exit, or MnistError with one line.
    """
    from mnist_cli.eventloop import InterruptedRunError, run

    client = where.client()
    try:
        code = run(_with(client, work))
    except InterruptedRunError as interrupted:
        if if_interrupted:
            print(if_interrupted)
        code = interrupted.exit_code
    raise typer.Exit(code)


async def _with(client: AsyncClient, work: Callable[[AsyncClient], Awaitable[int]]) -> int:
    from mnist_client.explain import explained
    from mnist_kube.errors import ApiError

    async with client:
        try:
            return await work(client)
        except ApiError as error:
            raise await explained(error, client.connection) from None


def training_names(options: dict[str, Any]) -> list[str]:
    """Names for shell completion, of the cluster that the options so far point at.

    None where it does not answer at once: a completion that complains is worse than none.
    """
    file = options.get("kubeconfig")
    where = Where(Path(file) if file else None, options.get("context"), options.get("namespace"))
    names: list[str] = []

    async def ask(client: AsyncClient) -> int:
        import asyncio

        async with asyncio.timeout(_COMPLETION_PATIENCE_S):
            names.extend(training.name for training in await client.list())
        return 0

    try:
        in_cluster(where, ask)
    except Exception:  # noqa: BLE001 - typer.Exit among them
        return names
