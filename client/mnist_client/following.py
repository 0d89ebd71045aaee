"""The methods of a client that follow a training: its changes, its end, its log, its events."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
from collections.abc import AsyncGenerator, Collection

from mnist_client import events as event_log
from mnist_client.errors import WaitTimeout
from mnist_client.events import TrainingEvent
from mnist_client.logs import LogReader, LogRequest, Note
from mnist_client.session import Session, Which, bounded
from mnist_client.show import make_view
from mnist_client.training import Change, Training, known_phases
from mnist_client.watching import beside, changes
from mnist_kube.resources import TRAININGS

_TAIL_LINES = 20
_TAIL_PATIENCE_S = 10.0


class Following(Session):
    """A client's methods that go on while a training does: by watches, through lost connections."""

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
            RefusedError: there is no such phase.
            WaitTimeout: it took too long. The training goes on.
        """
        where, name = self._key(training, namespace)
        wanted = known_phases(until)
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
