"""`mnistctl submit`: apply a manifest, and follow its training.

A training that is new has its store asked first (`storage_check`), so that a misspelt bucket costs no cluster. Then
the manifest goes to the API by server-side apply with strict validation.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mnist_cli.cluster import MANAGER, Session, Where, in_cluster, one_line
from mnist_cli.options import Context, Kubeconfig, Namespace, Settings
from mnist_cli.running import CommandError
from mnist_cli.settings import overridden
from mnist_cli.status import aligned, progress_of, result_lines, table
from mnist_client.manifests import Document, read
from mnist_kube.errors import ApiError
from mnist_kube.resources import TRAININGS

_APPLY = "application/apply-patch+yaml"


def submit(
    manifest: Annotated[Path, typer.Argument(metavar="FILE", help="A file with one MnistTraining; - is stdin.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress until it ends.")] = False,
    settings: Settings = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the server, and change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that another tool manages.")
    ] = False,
    unchecked: Annotated[
        bool, typer.Option("--no-check", help="Do not ask the store for dataset and output first.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Create a training from a manifest, or change it. The store is checked first if it can be reached from here.

    Exit code with --follow: 0 if it succeeded, 1 if it failed.
    """
    document = _the_training(manifest, settings or [])

    async def work(session: Session) -> int:
        settle_namespace(session, document)
        if not (unchecked or dry_run):
            await _check_store(session, document, force)
        done, training = await apply(session, document, dry_run, force)
        suffix = " (server dry run)" if dry_run else ""
        print(f"mnisttraining.mnist.training/{document.name} {done}{suffix}", flush=True)
        return await _follow_to_the_end(session, training) if follow and not dry_run else 0

    goes_on = f"{document.name} goes on without you; see it again: mnistctl watch {document.name}" if follow else ""
    in_cluster(Where(kubeconfig, context, namespace), work, goes_on)


def _the_training(path: Path, settings: list[str]) -> Document:
    """The one MnistTraining of a file, with the settings applied. Raises CommandError or InvalidConfigError."""
    documents = read(path)
    if len(documents) > 1:
        raise CommandError(
            f"{path}: holds {len(documents)} objects, and submit takes one MnistTraining: split the file, or use "
            f"kubectl apply -f {path}"
        )
    return Document(overridden(documents[0].body, settings))


async def _check_store(session: Session, document: Document, force: bool) -> None:
    """Refuse a new training that its store would fail; what may come later, or is not known from here, is only said.

    One that is there already has found its store, or will.
    """
    from mnist_cli.checks import Result
    from mnist_cli.storage_check import Storage, storage_findings

    if await session.api.find(TRAININGS.path(session.namespace, document.name)) is not None:
        return
    _, accepted = await apply(session, document, dry_run=True, force=force)
    for finding in await storage_findings(session, Storage.of(session.namespace, accepted["spec"])):
        if finding.result == Result.FAIL and finding.check != "secret":
            action = f"; {finding.action}" if finding.action else ""
            raise CommandError(f"{finding.message}{action} (nothing was submitted; --no-check leaves this check out)")
        if finding.result != Result.OK:
            print(f"warning: {finding.message}", file=sys.stderr)


def settle_namespace(session: Session, document: Document) -> None:
    """The manifest's namespace is taken unless the user named another: that is refused, as kubectl does."""
    own = document.body["metadata"].get("namespace")
    if own and session.named_namespace and own != session.named_namespace:
        raise CommandError(
            f"the manifest says namespace {own!r} and --namespace says {session.named_namespace!r}: leave one out"
        )
    session.namespace = own or session.namespace


async def apply(
    session: Session, document: Document, dry_run: bool = False, force: bool = False
) -> tuple[str, dict[str, Any]]:
    """Server-side apply with strict validation; returns what was done, as kubectl says it, and the object.

    Raises CommandError where the API refuses the manifest, in its words, and ApiError for the rest.
    """
    path = TRAININGS.path(session.namespace, document.name)
    before = await session.api.find(path)
    query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
    query |= {"force": "true"} if force else {}
    query |= {"dryRun": "All"} if dry_run else {}
    try:
        after = await session.api.patch(path, document.body, _APPLY, query)
    except ApiError as error:
        if not _is_conflict(error):
            raise _refused(document, error) from None
        # Taking the fields over may be refused as well, by a rule of the API: then that is what to say.
        forced = query | {"force": "true", "dryRun": "All"}
        try:
            await session.api.patch(path, document.body, _APPLY, forced)
        except ApiError as worse:
            raise _refused(document, worse) from None
        raise CommandError(
            f"{one_line(error.message)}: another tool manages that; change it there, or take it over with "
            "--force-conflicts"
        ) from None
    if before is None:
        return "created", after
    same = [item["metadata"].get("generation") for item in (before, after)]
    return "unchanged" if same[0] == same[1] and _tags(before) == _tags(after) else "configured", after


def _tags(training: dict[str, Any]) -> list[Any]:
    return [training["metadata"].get(key) or {} for key in ("labels", "annotations")]


def _is_conflict(error: ApiError) -> bool:
    """Whether another field manager has a field."""
    return error.conflict and error.reason == "Conflict" and "conflict" in error.message.lower()


def _refused(document: Document, error: ApiError) -> Exception:
    if error.status in (400, 422) or (error.status == 500 and "typed patch object" in error.message):
        return CommandError(f"MnistTraining {document.name} is refused: {one_line(error.message)}")
    return error


async def _follow_to_the_end(session: Session, training: dict[str, Any]) -> int:
    """Show a training until it ends; returns 0 if it succeeded, 1 if not."""
    import asyncio
    import contextlib

    from mnist_cli.follow import make_view, tell_events, until_final

    name, namespace = training["metadata"]["name"], training["metadata"]["namespace"]
    with make_view() as view:

        async def tell() -> None:
            with contextlib.suppress(ApiError):  # without the right to see events, there are none to tell
                await tell_events(session.api, namespace, [name], view.say)

        def seen(now: dict[str, Any]) -> None:
            view.update(name, progress_of(now))

        telling = asyncio.create_task(tell())
        try:
            final = await until_final(session.api, namespace, name, seen)
        except LookupError as error:
            raise CommandError(str(error), 1) from None
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    print()
    print("\n".join(aligned(await table(session.api, [(namespace, name)]))))
    print()
    print("\n".join(result_lines(final)))
    return 0 if progress_of(final).phase == "Succeeded" else 1
