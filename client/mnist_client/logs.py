"""A training's log, from wherever it is: the pod that writes it, the bucket once that pod is gone, or the status.

The pod is the submitter's of the attempt. With `submission.mode: HTTP` there is none, and the log comes from the bucket
while it is written, too; where we cannot read that, the Ray head's own log is shown.
Training and pods are watched, so a log that is not there yet is waited for, and a following reader goes on into the
pods of later attempts until the training has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from mnist_client.errors import NoLogError, NotFoundError, RefusedError
from mnist_client.podlog import NotStarted, PodLog
from mnist_client.scene import Scene
from mnist_client.state import state_of
from mnist_client.storedlogs import GrowingLog, Stored, nothing_stored
from mnist_kube.client import KubeApi
from mnist_kube.objects import Object

_BEGUN = ("Running", "Succeeded", "Failed")
_NOT_STARTED_S = 2.0
_UPLOADED_EVERY_S = 5.0  # at first; the trainer waits longer later
_SILENT_S = 20.0

Note = Callable[[str], None]
"""Is told what there is to say about a log, beside the log."""


@dataclass(frozen=True)
class LogRequest:
    """What is asked for. Without an attempt it is the last one, and with `follow` also those after it.

    `wait`: a log that is not there yet is waited for. `tail`: only so many of the last lines. `head`: the Ray head's
    own log.
    """

    follow: bool = False
    tail: int | None = None
    attempt: int | None = None
    head: bool = False
    wait: bool = True

    def __post_init__(self) -> None:
        """Raise RefusedError for what is no number of lines, or of an attempt."""
        if self.tail is not None and self.tail < 0:
            raise RefusedError(f"tail is a number of lines, and not {self.tail}: leave it out for all of them")
        if self.attempt is not None and self.attempt < 1:
            raise RefusedError(f"attempts are counted from 1: there is no attempt {self.attempt}")


class LogReader:
    """Reads the log of one training.

    Args:
        api: the API server.
        training: as it was last seen.
        request: what is asked for.
        stored: reads what is in the bucket.
        note: is told which pod it is, what is waited for, and where the log comes from.
    """

    def __init__(
        self,
        api: KubeApi,
        training: Object,
        request: LogRequest,
        stored: Stored = nothing_stored,
        note: Note = lambda _: None,
    ) -> None:
        self._api = api
        self._name = training["metadata"]["name"]
        self._request = request
        self._stored = stored
        self._note = note
        self._scene = Scene(api, training)
        self._pods_read: set[str] = set()
        self._attempts_read: set[int] = set()
        self._growing: dict[int, GrowingLog] = {}
        self._seen_to_its_end: set[int] = set()
        self._in_bucket = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the log as it comes. Raises NoLogError, NotFoundError, TrainingDeleted, or ApiError."""
        request, scene = self._request, self._scene
        self._attempt()
        await scene.look()
        if not (request.follow or request.wait):
            async with aclosing(self._now()) as chunks:
                async for chunk in chunks:
                    yield chunk
            if not self._attempts_read:
                raise self._no_log(self._attempt())
            return
        async with scene.watched():
            said = ""
            while True:
                known = len(self._pods_read), len(self._attempts_read)
                async with aclosing(self._now()) as chunks:
                    async for chunk in chunks:
                        yield chunk
                if self._is_done():
                    return
                if known != (len(self._pods_read), len(self._attempts_read)):
                    continue
                if (state := state_of(scene.training)) != said and not self._growing:
                    said = state
                    self._note(f"waiting for {'more of ' if self._attempts_read else ''}the log ({said})")
                await self._wait()

    def _is_done(self) -> bool:
        attempt = self._attempt()
        if not self._request.follow:
            return bool(self._attempts_read)
        if attempt in self._growing:
            return attempt in self._seen_to_its_end
        return attempt in self._attempts_read and self._scene.is_over(attempt)

    async def _wait(self) -> None:
        """Until there may be more: a change of training or pods; a bucket tells of none, and is asked now and then."""
        if not self._in_bucket:
            await self._scene.change(_NOT_STARTED_S if await self._unread_pod() else None)
            return
        await asyncio.sleep(_UPLOADED_EVERY_S)
        if not self._scene.is_over(self._attempt()):
            await self._scene.change(_SILENT_S)
            await asyncio.sleep(_UPLOADED_EVERY_S if self._scene.is_over(self._attempt()) else 0)  # the last upload

    def _attempt(self) -> int:
        latest = self._scene.latest
        attempt = self._request.attempt or latest
        if attempt > max(latest, 1):
            raise NotFoundError(f"{self._name} has had {latest} attempt(s); there is no attempt {attempt}")
        return attempt

    async def _now(self) -> AsyncGenerator[bytes, None]:
        """What can be had now and was not yet: a pod's log, or of an attempt that is over what is left of it."""
        attempt = self._attempt()
        if self._scene.by_http and not (self._request.head or self._pods_read):
            fresh = await self._of_bucket(attempt)
            if fresh:
                yield fresh
            if self._in_bucket:
                return
        pod = await self._unread_pod()
        if pod is not None:
            async with aclosing(self._of_pod(attempt, pod)) as chunks:
                async for chunk in chunks:
                    yield chunk
        elif self._scene.is_over(attempt) and attempt not in self._attempts_read:
            left = await self._left(attempt)
            self._attempts_read.add(attempt)
            if left:
                yield left
        elif self._scene.rests_after(attempt) and (stored := await self._of_rest(attempt)):
            yield stored

    async def _of_bucket(self, attempt: int) -> bytes:
        """What is new in the log that a running attempt uploads; `_in_bucket` tells whether that is where to look."""
        unfinished = [number for number in self._growing if number not in self._seen_to_its_end]
        attempt = min([attempt, *unfinished])
        was_over = self._scene.is_over(attempt)
        stored = await self._stored(self._scene.training, attempt) if attempt else None
        patient = self._request.follow or self._request.wait
        self._in_bucket = bool(stored) or (stored == b"" and patient and not was_over)
        if not stored:
            return b""
        fresh = self._growing.setdefault(attempt, GrowingLog()).fresh(stored)
        if was_over:
            self._seen_to_its_end.add(attempt)
        fresh = self._cut(fresh)
        self._attempts_read.add(attempt)
        return fresh

    # --- the pod ------------------------------------------------------------------------------------------------------

    @property
    def _from_head(self) -> bool:
        return self._request.head or self._scene.by_http

    async def _unread_pod(self) -> Object | None:
        """The pod that has the log, if it has begun and was not read yet."""
        attempt = self._attempt()
        pod = None
        if attempt and not self._from_head:
            pod = self._scene.submitter(attempt)
        elif attempt and attempt == self._scene.latest:
            pod = await self._scene.head()
        begun = pod is not None and (pod.get("status") or {}).get("phase") in _BEGUN
        return pod if pod is not None and begun and pod["metadata"]["uid"] not in self._pods_read else None

    async def _of_pod(self, attempt: int, pod: Object) -> AsyncGenerator[bytes, None]:
        uid, first = pod["metadata"]["uid"], not self._attempts_read
        if not first:
            self._note(f"attempt {attempt}, pod {pod['metadata']['name']}")
        elif self._from_head and not self._request.head:
            self._note(self._http_note())
        log = PodLog(self._api, pod, lambda: self._scene.runs(uid))
        tail = self._request.tail if first else None
        try:
            async with aclosing(log.follow(tail) if self._request.follow else log.read(tail)) as chunks:
                async for chunk in chunks:
                    self._attempts_read.add(attempt)
                    yield chunk
        except NotStarted:
            return
        self._pods_read.add(uid)
        self._attempts_read.add(attempt)

    # --- what is left without it --------------------------------------------------------------------------------------

    async def _left(self, attempt: int) -> bytes:
        """The log of an attempt whose pod is gone. Raises NoLogError where there is none and nothing was shown yet."""
        scene = self._scene
        stored = await self._stored(scene.training, attempt) if attempt and not self._request.head else None
        if stored:
            self._note(f"the pod of attempt {attempt} is gone; this is its log from the bucket")
            return self._cut(stored)
        failure = scene.status.get("lastFailure") or {}
        if failure.get("attempt") == attempt and failure.get("logTail"):
            self._note(f"the pod of attempt {attempt} is gone; this is the end of its log, from status.lastFailure")
            return self._cut(f"{failure['logTail']}\n".encode())
        if self._attempts_read:
            return b""
        raise self._no_log(attempt)

    async def _of_rest(self, attempt: int) -> bytes:
        """The log of the attempt before a suspension, once; where there is none, there may be when it goes on."""
        if attempt in self._attempts_read or self._request.head:
            return b""
        stored = await self._stored(self._scene.training, attempt)
        if not stored:
            return b""
        self._note(f"the pod of attempt {attempt} is gone; this is its log from the bucket")
        stored = self._cut(stored)
        self._attempts_read.add(attempt)
        return stored

    def _cut(self, log: bytes) -> bytes:
        if self._request.tail is None or self._attempts_read:
            return log
        return b"".join(log.splitlines(keepends=True)[-self._request.tail :]) if self._request.tail else b""

    def _no_log(self, attempt: int) -> NoLogError:
        if not attempt or not self._scene.is_over(attempt):
            return NoLogError(f"{self._name} has no log yet ({state_of(self._scene.training)})", yet=True)
        what = "head" if self._from_head else "submitter"
        return NoLogError(f"the {what}'s pod of attempt {attempt} of {self._name} is gone, and its log with it")

    def _http_note(self) -> str:
        job = (self._scene.status.get("rayJob") or {}).get("jobId") or "ID"
        return (
            "submission.mode is HTTP, so there is no submitter pod, and the bucket has no log that can be read from "
            f"here. This is the log of the head; Ray has the trainer's: ray job logs {job} (docs/guides/ray-jobs.md)"
        )
