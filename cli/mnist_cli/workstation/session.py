"""Run a command against the cluster that the options name, and end it with one line where that does not work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_cli.errors import CommandError
from mnist_cli.interrupt import run as run_interruptibly
from mnist_cli.threads import in_thread
from mnist_cli.trainings.objects import one_line
from mnist_cli.workstation import reach
from mnist_kube import kubeconfig
from mnist_kube.client import KubeApi
from mnist_kube.connection import Connection
from mnist_kube.errors import NO_CREDENTIALS, ApiError
from mnist_kube.resources import TRAININGS


@dataclass(frozen=True)
class Where:
    """What the user said about the cluster and the namespace."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


class Session(KubeApi):
    """The API of a cluster, and the namespace that is meant there."""

    def __init__(self, where: Where, connection: Connection) -> None:
        super().__init__(connection, user_agent="mnistctl", renew=self._renewed)
        self._where = where
        self.named_namespace = where.namespace
        self.namespace = where.namespace or connection.namespace

    async def _renewed(self) -> Connection:
        return await in_thread(kubeconfig.load, self._where.kubeconfig, self._where.context)

    async def training(self, name: str) -> dict[str, Any]:
        """One training. Raises CommandError where there is none of that name."""
        try:
            return await self.get(TRAININGS.path(self.namespace, name))
        except ApiError as error:
            # A missing kind is answered with 404 too, but not with a name.
            if error.not_found and _is_known(error):
                raise CommandError(f"there is no MnistTraining {name!r} in namespace {self.namespace!r}") from None
            raise


def in_session(where: Where, work: Callable[[Session], Awaitable[int]]) -> int:
    """Do `work` with a cluster; returns its exit code.

    Raises CommandError with one line; InterruptedRunError when a signal ended it.
    """
    try:
        connection = kubeconfig.load(where.kubeconfig, where.context)
    except kubeconfig.KubeconfigError as error:
        raise CommandError(str(error)) from None

    async def main() -> int:
        session = Session(where, connection)
        try:
            return await work(session)
        except ApiError as error:
            if reach.PLAIN_TO_TLS in error.message:
                raise reach.speaks_tls(session.connection) from None
            if error.not_reached:
                raise await reach.unreachable(session.connection, error.__cause__ or error) from None
            raise explained(error, session.connection.server) from None
        except TimeoutError as error:
            raise await reach.unreachable(session.connection, error) from None
        finally:
            await session.close()
            await asyncio.sleep(0)  # lets aiohttp close its sockets before the loop ends

    return run_interruptibly(main())


def explained(error: ApiError, server: str) -> CommandError:
    """What a refusal of the API means, in one line."""
    message = one_line(error.message)
    if error.reason == NO_CREDENTIALS:
        return CommandError(message)
    if error.status == 401:
        return CommandError(f"{server} does not accept the kubeconfig's credentials")
    if error.status == 404 and not _is_known(error):
        return CommandError(
            f"{server} does not know MnistTrainings: install the operator's chart there (docs/guides/install.md)"
        )
    return CommandError(message, 1 if error.may_pass else 2)


def _is_known(error: ApiError) -> bool:
    """Whether a 404 is about an object, and not about a kind that the server does not serve."""
    return error.reason == "NotFound" and "could not find the requested resource" not in error.message
