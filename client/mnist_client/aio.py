"""The client as coroutines. `mnist_client.sync` has the same for whoever has no event loop."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
from collections.abc import AsyncGenerator, Collection
from pathlib import Path
from typing import Self

from mnist_client import events as event_log
from mnist_client.apply import apply
from mnist_client.code import PackedCode, packed, upload, with_code
from mnist_client.errors import NotFoundError, RefusedError, WaitTimeout
from mnist_client.events import TrainingEvent
from mnist_client.explain import explained
from mnist_client.local import local_kubeconfig
from mnist_client.logs import LogReader, LogRequest, Note
from mnist_client.result import AsyncResult, Result
from mnist_client.session import Session, Which, bounded
from mnist_client.show import make_view
from mnist_client.storage import Storage, told
from mnist_client.threads import in_thread
from mnist_client.training import Change, Training
from mnist_client.watching import beside, changes
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS

_TAIL_LINES = 20
_TAIL_PATIENCE_S = 10.0


class AsyncClient(Session):
    """MnistTrainings of one cluster, by the Kubernetes API. Close it, or use it as a context manager.

    Making one does no request. Every method raises a `MnistError`: ConnectionFailedError, NotAllowedError,
    NotFoundError, RefusedError, or what the method names.

    Args:
        namespace: where trainings are looked for and made; None for the kubeconfig's, else `default`.
        kubeconfig: a file; None for $KUBECONFIG, else ~/.kube/config, else the pod that this runs in.
        context: a context of the kubeconfig; None for its current one.
        server: the API server's URL, instead of a kubeconfig.
        token: the bearer token; with a kubeconfig it replaces the user there.
        ca: the authority of the server's certificate, PEM text or a file; None for this machine's.
        connection: all of that as a value, instead.
        endpoint: where the bucket is seen from here, if elsewhere than in the cluster; None for $AWS_ENDPOINT_URL, else
            what the training says.
        manager: the field manager of what is written, and what the server's log calls us.
        timeout: seconds that one request may take.
    """

    @classmethod
    async def local(cls, folder: str | Path = ".local", *, data: str | Path | None = None) -> Self:
        """Return a client of the local stack in a folder; starts one (`mnistctl local up`) where none runs.

        It needs the extra `local`. The stack outlives the client: `mnistctl local down` ends it.

        Args:
            folder: where everything of the stack lies.
            data: a folder with four IDX files for s3://datasets/mnist; None for the offline digits alone.

        Raises:
            ConnectionFailedError: it does not start.
        """
        return cls(kubeconfig=await in_thread(local_kubeconfig, Path(folder), Path(data) if data else None))

    # --- trainings ----------------------------------------------------------------------------------------------------

    async def submit(
        self, training: Training, *, code: str | Path | None = None, dry_run: bool = False, force: bool = False
    ) -> Training:
        """Create a training, or change the one of its name to what this one says; returns it as the API has it.

        Args:
            training: what is asked for; without a namespace it goes to the client's.
            code: a script or a folder of one's own; it goes to the bucket, and `spec.code.archive` is filled in.
            dry_run: ask the server, and change nothing.
            force: take over fields that another tool manages.

        Raises:
            ConflictError: another tool manages a field.
            StorageError: the code cannot be uploaded.
        """
        return (await self.apply(training, code=code, dry_run=dry_run, force=force))[1]

    async def apply(
        self, training: Training, *, code: str | Path | None = None, dry_run: bool = False, force: bool = False
    ) -> tuple[str, Training]:
        """Do as `submit`, and return also what was done: created, configured or unchanged."""
        where = training.namespace or self.namespace
        body = training.object
        if code is not None:
            body = await self._with_code(where, body, Path(code), upload_it=not dry_run)
        done, obj = await self._asked(apply(self.api, where, body, self._manager, dry_run=dry_run, force=force))
        return done, Training.of(obj)

    async def _with_code(self, namespace: str, body: Object, path: Path, upload_it: bool) -> Object:
        code = await in_thread(packed, path)
        with_code(body, code, "")  # refuses before anything is asked
        known = await self._asked(self.api.find(TRAININGS.path(namespace, body["metadata"]["name"])))
        if known is None:  # what the server refuses uploads nothing, and it knows the default of the output
            asked = with_code(body, code, "s3://bucket")
            work = apply(self.api, namespace, asked, self._manager, dry_run=True, force=True)
            known = (await self._asked(work))[1]
        output = str(known["spec"]["storage"]["output"])
        if upload_it:
            await in_thread(self._upload, self._storage(known), code, output)
        return with_code(body, code, output)

    @staticmethod
    def _upload(storage: Storage, code: PackedCode, output: str) -> None:
        with told():
            upload(storage.open(), code, output)

    async def get(self, training: Which, *, namespace: str | None = None) -> Training:
        """Return a training as it is now. Raises NotFoundError."""
        return Training.of(await self._object(*self._key(training, namespace)))

    async def list(
        self, *, namespace: str | None = None, all_namespaces: bool = False, labels: str = ""
    ) -> list[Training]:
        """Return trainings, of all namespaces if asked to; `labels` is a selector such as "team=vision"."""
        where = None if all_namespaces else namespace or self.namespace
        query = {"labelSelector": labels} if labels else None
        found = await self._asked(self.api.list(TRAININGS.path(where), query))
        return [Training.of(item) for item in found.get("items") or []]

    async def delete(self, training: Which, *, namespace: str | None = None, missing_ok: bool = False) -> None:
        """Delete a training and what runs for it; what it left in the bucket stays. Raises NotFoundError."""
        where, name = self._key(training, namespace)
        try:
            obj = await self._object(where, name)
        except NotFoundError:
            if missing_ok:
                return
            raise
        uid = obj["metadata"]["uid"]
        await self._asked(self.api.delete(TRAININGS.path(where, name), uid, missing_ok=True))

    async def suspend(self, training: Which, *, namespace: str | None = None) -> Training:
        """Ask a training to stop and free its cluster; `wait(until="Suspended")` waits until it has.

        Raises RefusedError where it has ended.
        """
        return await self._set_suspended(training, namespace, True)

    async def resume(self, training: Which, *, namespace: str | None = None) -> Training:
        """Let a suspended training go on from its last checkpoint. Raises RefusedError where it has ended."""
        return await self._set_suspended(training, namespace, False)

    async def scale(self, training: Which, workers: int, *, namespace: str | None = None) -> Training:
        """Ask for another number of workers of the first group; it may be running."""
        return await self._patch(training, namespace, {"workers": {"replicas": workers}})

    # --- following ----------------------------------------------------------------------------------------------------

    async def watch(
        self, training: Which | None = None, *, namespace: str | None = None, all_namespaces: bool = False
    ) -> AsyncGenerator[Change, None]:
        """Yield every training as it is, then each change of one, through lost connections and restarts of the server.

        Of one training it ends by itself, once that has ended or was deleted; of all it never does.
        """
        where, name = None if all_namespaces else namespace or self.namespace, None
        if training is not None:
            where, name = self._key(training, namespace)
            await self._object(where, name)
        async with contextlib.aclosing(self._told(changes(self.api, TRAININGS, where, name))) as seen:
            async for kind, obj in seen:
                change = Change(kind, Training.of(obj))
                yield change
                if name is not None and (kind == "DELETED" or change.training.is_final):
                    return

    async def wait(
        self,
        training: Which,
        *,
        until: str | Collection[str] = "Succeeded",
        timeout: float | None = None,  # noqa: ASYNC109 - part of the interface, and told in words
        namespace: str | None = None,
    ) -> Training:
        """Wait until a training has succeeded, or is in another phase; returns it then.

        Args:
            training: which.
            until: the phase, or phases, that are waited for. One that has succeeded is never waited for any longer.
            timeout: seconds; None for no limit.
            namespace: where; None for the client's.

        Raises:
            TrainingFailed: it has failed, and that is not what was waited for.
            TrainingDeleted: it was deleted.
            WaitTimeout: it took too long. The training goes on.
        """
        where, name = self._key(training, namespace)
        wanted = {until} if isinstance(until, str) else set(until)
        last: Change | None = None
        try:
            async with asyncio.timeout(timeout), contextlib.aclosing(self.watch(name, namespace=where)) as seen:
                async for last in seen:
                    if last.type != "DELETED" and last.training.phase in wanted:
                        return last.training
        except TimeoutError:
            told = last.training.message if last else "nothing was heard of it"
            raise WaitTimeout(f"{name} is not {' or '.join(sorted(wanted))} after {timeout:g} s ({told})") from None
        assert last is not None
        return await self._outcome(last)

    async def progress(
        self,
        training: Which,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the interface, and told in words
        namespace: str | None = None,
    ) -> Training:
        """Show how a training goes until it has succeeded: in a notebook, on a terminal, or as lines; returns it then.

        Args:
            training: which.
            timeout: seconds; None for no limit.
            namespace: where; None for the client's.

        Raises:
            TrainingFailed: it has failed.
            TrainingDeleted: it was deleted.
            WaitTimeout: it took too long. The training goes on.
        """
        last: Change | None = None
        with make_view() as view:
            async with contextlib.aclosing(self._happenings(training, timeout, namespace)) as seen:
                async for item in seen:
                    view.see(item)
                    last = item if isinstance(item, Change) else last
        assert last is not None
        return await self._outcome(last)

    def _happenings(
        self, training: Which, timeout: float | None, namespace: str | None
    ) -> AsyncGenerator[Change | TrainingEvent, None]:
        where, name = self._key(training, namespace)
        both = beside(self.watch(name, namespace=where), self.events(name, follow=True, namespace=where))
        return bounded(both, timeout, f"{name} is not Succeeded")

    async def logs(
        self,
        training: Which,
        *,
        follow: bool = False,
        tail: int | None = None,
        attempt: int | None = None,
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the interface, and told in words
        namespace: str | None = None,
    ) -> AsyncGenerator[str, None]:
        """Yield the lines of a training's log, without their ends: from its pod, or from the bucket once that is gone.

        Args:
            training: which.
            follow: go on as it is written, into the pods of new attempts, until the training has ended.
            tail: only so many of the last lines of what is there already.
            attempt: of which; None for the last, and with `follow` also those after it.
            wait: wait for a log that is not there yet, since no pod has started; else raise NoLogError.
            timeout: seconds that it may take in all; None for no limit.
            namespace: where; None for the client's.

        Raises:
            NoLogError: there is none, or none any more.
            WaitTimeout: it took too long.
        """
        request = LogRequest(follow, tail, attempt, wait=wait)
        chunks = self.log_chunks(training, request, namespace=namespace)
        decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        async with contextlib.aclosing(bounded(chunks, timeout, "the log was not at its end")) as seen:
            async for chunk in seen:
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                for line in lines:
                    yield line
        if rest:
            yield rest

    async def log_chunks(
        self, training: Which, request: LogRequest, *, note: Note = lambda _: None, namespace: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a log as it comes, byte by byte as it was written; `note` is told what there is to say about it."""
        obj = await self._object(*self._key(training, namespace))
        reader = LogReader(self.api, obj, request, self._stored_log, note)
        async with contextlib.aclosing(self._told(reader.chunks())) as seen:
            async for chunk in seen:
                yield chunk

    async def events(
        self, training: Which, *, follow: bool = False, namespace: str | None = None
    ) -> AsyncGenerator[TrainingEvent, None]:
        """Yield the events of a training, and the warnings of its cluster, job and pods that need somebody.

        With `follow` it goes on without end.
        """
        where, name = self._key(training, namespace)
        if follow:
            async with contextlib.aclosing(self._told(event_log.followed(self.api, where, [name]))) as seen:
                async for event in seen:
                    yield event
        else:
            for event in await self._asked(event_log.listed(self.api, where, [name])):
                yield event

    # --- what it left -------------------------------------------------------------------------------------------------

    async def result(self, training: Which, *, namespace: str | None = None) -> AsyncResult:
        """Return what a training left in its bucket: `download`, `predict`, `metrics`, `manifest`.

        Credentials are those of the environment, else those of the training's own Secret if they may be read.

        Raises:
            NotFinishedError: it has not succeeded.
        """
        return AsyncResult(await self._result(training, namespace))

    async def _result(self, training: Which, namespace: str | None) -> Result:
        found = await self.get(training, namespace=namespace)
        return Result(found, self._storage(found.object).open)

    # --- what they share ----------------------------------------------------------------------------------------------

    async def _outcome(self, last: Change) -> Training:
        """The training if it has succeeded; else raises why not, with the end of its log wherever that is."""
        if last.type != "DELETED" and not last.training.succeeded:
            raise last.training.failure(await self._log_tail(last.training))
        return last.outcome()

    async def _log_tail(self, training: Training) -> str:
        """The end of the log in the bucket, where the status has none; empty where that cannot be read quickly."""
        status = training.object.get("status") or {}
        if (status.get("lastFailure") or {}).get("logTail") or not status.get("attempt"):
            return ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TAIL_PATIENCE_S):
                log = await self._stored_log(training.object, status["attempt"])
                return "\n".join((log or b"").decode(errors="replace").splitlines()[-_TAIL_LINES:])
        return ""

    async def _set_suspended(self, training: Which, namespace: str | None, wanted: bool) -> Training:
        now = await self.get(training, namespace=namespace)
        if now.is_final:
            raise RefusedError(
                f"MnistTraining {now.name!r} has {now.phase.lower()}: there is nothing to suspend or resume"
            )
        if now.suspended == wanted:
            return now
        return await self._patch(now, namespace, {"runPolicy": {"suspend": wanted}})

    async def _patch(self, training: Which, namespace: str | None, spec: Object) -> Training:
        where, name = self._key(training, namespace)
        query = {"fieldManager": self._manager}
        try:
            return Training.of(await self.api.patch(TRAININGS.path(where, name), {"spec": spec}, query=query))
        except ApiError as error:
            if error.not_found:
                await self._object(where, name)  # which says it better
            raise await explained(error, self.connection) from error
