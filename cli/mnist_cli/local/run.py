"""Bring a stack up, run a manifest's trainings on it, show them, take the stack down."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mnist_cli.cluster import MANAGER
from mnist_cli.eventloop import InterruptedRunError
from mnist_cli.eventloop import run as run_interruptibly
from mnist_cli.follow import tell_events, until_final
from mnist_cli.local import objects
from mnist_cli.local.seeding import Files, check_folder, seed
from mnist_cli.status import aligned, result_lines, table
from mnist_client import AsyncClient, Training, TrainingDeleted
from mnist_client.code import PackedCode, packed, upload, with_code
from mnist_client.manifests import Document, read
from mnist_client.show import Lines, make_view
from mnist_client.state import Progress, progress_of
from mnist_client.threads import in_thread
from mnist_local.stack.layout import Layout, Options, StackError
from mnist_local.stack.stack_process import StackProcess
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What the user asked for. `timeout_s` bounds the trainings, from their creation on."""

    manifest: Path
    folder: Path
    data: Path | None = None
    timeout_s: float = 3600.0
    api_port: int = 0
    s3_port: int = 0
    code: Path | None = None


def run_local(request: Request) -> int:
    """Run a manifest; returns 0 if every training succeeded, 1 if one failed, 128 + n when signal n ended it.

    Raises InvalidConfigError (and other TrainerErrors) for bad input, StackError when the stack failed.
    """
    documents = read(request.manifest)
    own = _own_code(documents, request.code)
    data = check_folder(request.data)
    try:
        return run_interruptibly(_Run(request, documents, data, own).main())
    except InterruptedRunError as interrupted:
        print(f"interrupted by {interrupted}: the local stack was ended; buckets and logs are in {request.folder}")
        return interrupted.exit_code


class _Run:
    def __init__(self, request: Request, documents: list[Document], data: Files | None, own: PackedCode | None) -> None:
        self._request = request
        self._data = data
        self._own = own
        self._documents = [_with_own(document, own) for document in documents]
        self._trainings = [document for document in self._documents if document.is_training]
        local = [document for document in self._trainings if not document.spec("storage", "endpoint")]
        self._layout = Layout.at(request.folder)
        self._view: Lines = Lines()
        namespaces = tuple(dict.fromkeys(document.namespace for document in self._trainings))
        self._stack = StackProcess(
            self._layout, Options(request.api_port, request.s3_port, namespaces=namespaces), detached=False
        )
        self._addresses = list(dict.fromkeys(addresses(document) for document in local))
        self._store_is_up = asyncio.Event()
        self._api_is_up = asyncio.Event()

    async def main(self) -> int:
        with make_view() as self._view:
            self._view.busy("starting the local stack")
            try:
                await self._stack.start()
                finished = await self._while_the_stack_runs(self._work())
            finally:
                self._view.busy("ending the local stack")
                await self._stack.stop()
        return self._conclude(*finished)

    async def _while_the_stack_runs(self, work: Awaitable[T]) -> T:
        doing, listening = asyncio.ensure_future(work), asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait({doing, listening}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done() and not doing.done():
                # Its exception tells why, if there was one.
                listening.result()
                raise StackError("the local stack was ended from outside", (), str(self._layout.log("stack")))
            return await doing
        finally:
            for task in (doing, listening):
                task.cancel()
            await asyncio.gather(doing, listening, return_exceptions=True)

    async def _listen(self) -> None:
        async for event in self._stack.events():
            match event["event"]:
                case "s3":
                    self._store_is_up.set()
                case "api":
                    self._api_is_up.set()
                case "up":
                    self._view.say(f"the local stack is up; watch it with: export KUBECONFIG={event['kubeconfig']}")

    async def _work(self) -> tuple[list[dict[str, Any]], list[str]]:
        seeding = asyncio.create_task(self._seed())
        await self._api_is_up.wait()
        try:
            async with AsyncClient(kubeconfig=self._layout.kubeconfig, manager=MANAGER) as client:
                # What the API refuses is told before anybody waits for data.
                asked = await objects.apply(client.api, self._documents, dry_run=True)
                await objects.check_secrets(client.api, asked, self._documents)
                await seeding
                await objects.apply(client.api, self._documents)
                finals = await self._follow(client)
                keys = [(document.namespace, document.name) for document in self._trainings]
                return finals, aligned(await table(client.api, keys))
        finally:
            seeding.cancel()

    async def _seed(self) -> None:
        await self._store_is_up.wait()
        store = ObjectStore(StoreSettings.from_env(exports(self._layout.s3_env)))
        for training in self._trainings:
            if training.spec("storage", "endpoint"):
                self._view.say(f"{training.name} names a store of its own: nothing is prepared there", warning=True)
        for dataset, output in self._addresses:
            self._view.busy(f"preparing {dataset}")
            what = await in_thread(seed, store, dataset, self._data)
            self._view.say(f"dataset {dataset}: {what}")
            await in_thread(store.make_bucket, output)
            if self._own is not None:
                await in_thread(upload, store, self._own, str(output))

    async def _follow(self, client: AsyncClient) -> list[dict[str, Any]]:
        trainings = [Training.of({**document.body, "metadata": _key(document)}) for document in self._trainings]
        telling = [asyncio.create_task(tell_events(client, training, self._view.say)) for training in trainings]
        last: dict[str, Progress] = {}

        def seen(training: Training) -> None:
            last[training.name] = training.progress
            self._view.update(training.name, training.progress)

        try:
            async with asyncio.timeout(self._request.timeout_s):
                finals = await asyncio.gather(*(until_final(client, training, seen) for training in trainings))
                return [training.object for training in finals]
        except TimeoutError:
            states = "; ".join(
                f"{name}: {progress.phase}: {progress.message or progress.text}" for name, progress in last.items()
            )
            message = f"not finished within {self._request.timeout_s:.0f} s ({states})"
            raise StackError(message, (), str(self._layout.root / "logs")) from None
        except TrainingDeleted as error:
            raise StackError(error.message) from None
        finally:
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)

    def _conclude(self, finals: list[dict[str, Any]], table: list[str]) -> int:
        content = finals[0] if len(finals) == 1 else {"apiVersion": "v1", "kind": "List", "items": finals}
        self._layout.status.write_text(json.dumps(content, indent=2) + "\n")
        print()
        print("\n".join(table))
        for training in finals:
            print()
            print("\n".join(_result(training, self._layout)))
        return 0 if all(progress_of(training).phase == "Succeeded" for training in finals) else 1


def _key(document: Document) -> dict[str, str]:
    return {"namespace": document.namespace, "name": document.name}


def _result(training: dict[str, Any], layout: Layout) -> list[str]:
    """What came of a training, in lines, and where that is on this machine."""
    lines = result_lines(training)
    status = training.get("status") or {}
    if status.get("phase") == "Succeeded":
        with contextlib.suppress(InvalidConfigError):
            address = S3Address.parse(str((status.get("result") or {}).get("model")))
            lines.append(f"  file    {layout.s3 / address.bucket / address.key}")
        return lines
    return [*lines, f"  logs: {layout.root / 'logs'} and, of the pods, {layout.pod_logs}"]


def _own_code(documents: list[Document], path: Path | None) -> PackedCode | None:
    """A script or folder, packed for the one training of a file. Raises RefusedError, or InvalidConfigError."""
    if path is None:
        return None
    trainings = [document for document in documents if document.is_training]
    if len(trainings) != 1 or trainings[0].spec("storage", "endpoint"):
        raise InvalidConfigError(
            "--script and --code are for a file with one MnistTraining without spec.storage.endpoint"
        )
    return packed(path)


def _with_own(document: Document, own: PackedCode | None) -> Document:
    if own is None or not document.is_training:
        return document
    return Document(with_code(document.body, own, str(addresses(document)[1])))


def addresses(training: Document) -> tuple[S3Address, S3Address]:
    """Dataset and output of a training. Raises InvalidConfigError for malformed ones."""
    return _address(training, "dataset"), _address(training, "output")


def _address(training: Document, field: str) -> S3Address:
    value = training.spec("storage", field)
    if value is None:
        from mnist_operator.api.spec import StorageSpec

        value = StorageSpec.model_fields[field].default
    try:
        return S3Address.parse(str(value))
    except InvalidConfigError as error:
        raise InvalidConfigError(f"{training.name}: spec.storage.{field}: {error.message}") from None


def exports(path: Path) -> dict[str, str]:
    """The variables of a file of shell exports that we wrote."""
    lines = (line.removeprefix("export ").partition("=") for line in path.read_text().splitlines())
    return {name: value.strip("'") for name, _, value in lines}
