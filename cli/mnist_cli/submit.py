"""`mnistctl submit`: apply a manifest, and follow its training.

A training that is new has its store asked first (`storage_check`), so that a misspelt bucket costs no cluster. Then
the manifest goes to the API by server-side apply with strict validation.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_cli.cluster import Where, in_cluster
from mnist_cli.options import CodeFolder, Context, Kubeconfig, Namespace, Script, SeenFrom, Settings, own_code
from mnist_cli.running import CommandError
from mnist_cli.settings import overridden
from mnist_cli.status import aligned, result_lines, table
from mnist_client.errors import ConflictError
from mnist_client.manifests import Document, read_one
from mnist_client.training import Training
from mnist_kube.resources import TRAININGS

if TYPE_CHECKING:
    from mnist_client import AsyncClient


def submit(
    manifest: Annotated[Path, typer.Argument(metavar="FILE", help="A file with one MnistTraining; - is stdin.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress until it ends.")] = False,
    script: Script = None,
    code: CodeFolder = None,
    settings: Settings = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the server, and change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that another tool manages.")
    ] = False,
    unchecked: Annotated[
        bool, typer.Option("--no-check", help="Do not ask the store for dataset and output first.")
    ] = False,
    endpoint: SeenFrom = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Create a training from a manifest, or change it. The store is checked first if it can be reached from here.

    Exit code with --follow: 0 if it succeeded, 1 if it failed.
    """
    document, where = _the_training(manifest, settings or []), Where(kubeconfig, context, namespace, endpoint)
    own = own_code(script, code)

    async def work(client: AsyncClient) -> int:
        client = settled(client, document, where)
        if not (unchecked or dry_run):
            await _check_store(client, document, force, endpoint)
        done, training = await apply(client, document, dry_run, force, own)
        suffix = " (server dry run)" if dry_run else ""
        print(f"mnisttraining.mnist.training/{document.name} {done}{suffix}", flush=True)
        return await _follow_to_the_end(client, training) if follow and not dry_run else 0

    goes_on = f"{document.name} goes on without you; see it again: mnistctl watch {document.name}" if follow else ""
    in_cluster(where, work, goes_on)


def _the_training(path: Path, settings: list[str]) -> Document:
    """The one MnistTraining of a file, with the settings applied. Raises CommandError or RefusedError."""
    return Document(overridden(read_one(path).body, settings))


async def _check_store(client: AsyncClient, document: Document, force: bool, endpoint: str | None) -> None:
    """Refuse a new training that its store would fail; what may come later, or is not known from here, is only said.

    One that is there already has found its store, or will.
    """
    from mnist_cli.checks import Result
    from mnist_cli.storage_check import Storage, storage_findings

    if await client.api.find(TRAININGS.path(client.namespace, document.name)) is not None:
        return
    _, accepted = await apply(client, document, dry_run=True, force=force)
    storage = Storage.of(client.namespace, accepted.object["spec"], endpoint)
    for finding in await storage_findings(client.api, storage):
        if finding.result == Result.FAIL and finding.check != "secret":
            action = f"; {finding.action}" if finding.action else ""
            raise CommandError(f"{finding.message}{action} (nothing was submitted; --no-check leaves this check out)")
        if finding.result != Result.OK:
            print(f"warning: {finding.message}", file=sys.stderr)


def settled(client: AsyncClient, document: Document, where: Where) -> AsyncClient:
    """A client for the manifest's namespace, unless the user named another: that is refused, as kubectl does."""
    own = document.body["metadata"].get("namespace")
    if own and where.namespace and own != where.namespace:
        raise CommandError(
            f"the manifest says namespace {own!r} and --namespace says {where.namespace!r}: leave one out"
        )
    return client.in_namespace(own) if own else client


async def apply(
    client: AsyncClient, document: Document, dry_run: bool = False, force: bool = False, code: Path | None = None
) -> tuple[str, Training]:
    """Create or change; returns what was done, as kubectl says it, and the training.

    Raises MnistError: RefusedError where the API refuses the manifest, in its words.
    """
    try:
        return await client.apply(Training.of(document.body), code=code, dry_run=dry_run, force=force)
    except ConflictError as error:
        raise CommandError(
            f"{error.said}: another tool manages that; change it there, or take it over with --force-conflicts"
        ) from None


async def _follow_to_the_end(client: AsyncClient, training: Training) -> int:
    """Show a training until it ends; returns 0 if it succeeded, 1 if not."""
    import asyncio

    from mnist_cli.follow import tell_events, until_final
    from mnist_client.show import make_view

    name = training.name
    with make_view() as view:
        telling = asyncio.create_task(tell_events(client, training, view.say))
        try:
            final = await until_final(client, training, lambda now: view.update(name, now.progress))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    print()
    print("\n".join(aligned(await table(client.api, [(str(final.namespace), name)]))))
    print()
    print("\n".join(result_lines(final.object)))
    return 0 if final.succeeded else 1
