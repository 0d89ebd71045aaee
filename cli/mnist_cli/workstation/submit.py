"""`mnistctl submit`: apply a manifest, and follow its training."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_cli.errors import CommandError
from mnist_cli.trainings import events, follow
from mnist_cli.trainings.manifests import Document, read
from mnist_cli.trainings.objects import aligned, one_line, table
from mnist_cli.trainings.progress import progress_of
from mnist_cli.trainings.result import result_lines
from mnist_cli.trainings.show import make_view
from mnist_cli.workstation.findings import Result
from mnist_cli.workstation.overrides import overridden
from mnist_cli.workstation.session import Session
from mnist_kube.client import APPLY_PATCH
from mnist_kube.errors import ApiError
from mnist_kube.resources import TRAININGS

MANAGER = "mnistctl"


@dataclass(frozen=True)
class Submission:
    """What the user asked for."""

    manifest: Path
    settings: list[str]
    follow: bool = False
    dry_run: bool = False
    force: bool = False
    check: bool = True


def the_training(path: Path, settings: list[str]) -> Document:
    """The one MnistTraining of a file, with the settings applied. Raises CommandError or InvalidConfigError."""
    documents = read(path)
    if len(documents) > 1:
        raise CommandError(
            f"{path}: holds {len(documents)} objects, and submit takes one MnistTraining: split the file, or use "
            f"kubectl apply -f {path}"
        )
    return Document(overridden(documents[0].body, settings))


async def submit(session: Session, request: Submission, document: Document) -> int:
    """Create the training or change it, print what was done, and follow it if asked to; returns the exit code."""
    settle_namespace(session, document)
    if request.check and not request.dry_run:
        await _check(session, request, document)
    done, training = await apply(session, request, document)
    suffix = " (server dry run)" if request.dry_run else ""
    print(f"mnisttraining.mnist.training/{document.name} {done}{suffix}", flush=True)
    if not request.follow or request.dry_run:
        return 0
    return await follow_to_the_end(session, training)


async def _check(session: Session, request: Submission, document: Document) -> None:
    """Refuse a new training that its store would fail; what may come later, or is not known from here, is only said.

    One that is there already has found its store, or will.
    """
    from mnist_cli.workstation.storage_check import Storage, storage_findings

    if await session.find(TRAININGS.path(session.namespace, document.name)) is not None:
        return
    tried = Submission(request.manifest, request.settings, dry_run=True, force=request.force)
    _, accepted = await apply(session, tried, document)
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


async def apply(session: Session, request: Submission, document: Document) -> tuple[str, dict[str, Any]]:
    """Server-side apply with strict validation; returns what was done, as kubectl says it, and the object."""
    path = TRAININGS.path(session.namespace, document.name)
    before = await session.find(path)
    params = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
    params |= {"force": "true"} if request.force else {}
    params |= {"dryRun": "All"} if request.dry_run else {}
    try:
        after = await session.patch(path, document.body, APPLY_PATCH, params)
    except ApiError as error:
        if not _is_conflict(error):
            raise _refused(document, error) from None
        # Taking the fields over may be refused as well, by a rule of the API: then that is what to say.
        forced = params | {"force": "true", "dryRun": "All"}
        try:
            await session.patch(path, document.body, APPLY_PATCH, forced)
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
    return error.status == 409 and "conflict" in error.message.lower() and error.reason == "Conflict"


def _refused(document: Document, error: ApiError) -> Exception:
    if error.status in (400, 422) or (error.status == 500 and "typed patch object" in error.message):
        return CommandError(f"MnistTraining {document.name} is refused: {one_line(error.message)}")
    return error


async def follow_to_the_end(session: Session, training: dict[str, Any]) -> int:
    """Show a training until it ends; returns 0 if it succeeded, 1 if not."""
    name, namespace = training["metadata"]["name"], training["metadata"]["namespace"]
    with make_view() as view:

        async def tell_events() -> None:
            with contextlib.suppress(ApiError):  # without the right to see events, there are none to tell
                await events.tell_events(session, namespace, [name], view.say)

        def seen(now: dict[str, Any]) -> None:
            view.update(name, progress_of(now))

        telling = asyncio.create_task(tell_events())
        try:
            final = await follow.until_final(session, namespace, name, seen)
        except LookupError as error:
            raise CommandError(str(error), 1) from None
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    print()
    print("\n".join(aligned(await table(session, [(namespace, name)]))))
    print()
    print("\n".join(result_lines(final)))
    return 0 if progress_of(final).phase == "Succeeded" else 1
