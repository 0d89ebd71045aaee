"""`pods/log`: the lines a container wrote, as the kubelet keeps them on disk."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from mnist_local.apiserver import clock
from mnist_local.apiserver.call import Call
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, bad_request
from mnist_local.apiserver.rest.engine import Engine

_POLL_SECONDS = 0.1
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The query of a log request."""

    follow: bool
    tail: int | None
    limit_bytes: int | None
    since: float | None
    timestamps: bool


def _options(call: Call) -> LogOptions:
    def number(name: str) -> int | None:
        text = call.query.get(name, "")
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f'{name}: Invalid value: "{text}": must be a number') from None

    since: float | None = None
    if (seconds := number("sinceSeconds")) is not None:
        since = time.time() - seconds
    elif moment := call.query.get("sinceTime"):
        try:
            since = clock.parse(moment).timestamp()
        except ValueError:
            raise bad_request(f'sinceTime: Invalid value: "{moment}"') from None
    return LogOptions(call.flag("follow"), number("tailLines"), number("limitBytes"), since, call.flag("timestamps"))


def _container(call: Call, pod: Obj) -> str:
    """Return the container meant: named, the default by annotation, or the only one.

    Raises:
        ApiError: 400.
    """
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [c["name"] for c in spec.get("containers") or ()]
    init = [c["name"] for c in spec.get("initContainers") or ()]
    wanted = call.query.get("container", "")
    if not wanted:
        annotations = pod["metadata"].get("annotations") or {}
        default = annotations.get("kubectl.kubernetes.io/default-container", "")
        if default in containers:
            return str(default)
        if len(containers) == 1:
            return str(containers[0])
        choices = f"choose one of: [{' '.join(containers)}]"
        if init:
            choices += f" or one of the init containers: [{' '.join(init)}]"
        raise bad_request(f"a container name must be specified for pod {name}, {choices}")
    if wanted not in containers + init:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def _waiting(pod: Obj, container: str) -> bool:
    """Tell whether a container has not started, as far as the pod's status says."""
    status = pod.get("status") or {}
    for known in (status.get("containerStatuses") or []) + (status.get("initContainerStatuses") or []):
        if known.get("name") == container:
            state = known.get("state") or {}
            return "running" not in state and "terminated" not in state
    return True


async def pod_log(ctx: Context, call: Call, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a log request with plain text, and go on with `follow` until the container has ended."""
    entry = Engine(ctx).require(call.resource, call.info.namespace, call.info.name)
    pod = entry.obj
    container = _container(call, pod)
    options = _options(call)
    uid = pod["metadata"]["uid"]
    path = _log_file(ctx, call, uid, container)
    if path is None or not path.exists():
        if _waiting(pod, container):
            raise bad_request(
                f'container "{container}" in pod "{call.info.name}" is waiting to start: ContainerCreating'
            )
        path = None
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    if path is None:
        return response
    stop = asyncio.Event()
    ctx.wakes.add(stop)
    try:
        await _send(ctx, call, response, path, options, container, uid, stop)
    except ConnectionError:
        pass
    finally:
        ctx.wakes.discard(stop)
    return response


def _log_file(ctx: Context, call: Call, uid: str, container: str) -> Path | None:
    if ctx.pod_log_dir is None:
        return None
    index = 1 if call.flag("previous") else 0
    folder = ctx.pod_log_dir / f"{call.info.namespace}_{call.info.name}_{uid}" / container
    logs = sorted((int(path.stem) for path in folder.glob("*.log") if path.stem.isdigit()), reverse=True)
    if index < len(logs):
        return folder / f"{logs[index]}.log"
    return folder / "0.log" if index == 0 else None


async def _send(
    ctx: Context, call: Call, response: web.StreamResponse, path: Path, options: LogOptions, container: str,
    uid: str, stop: asyncio.Event,
) -> None:  # fmt: skip
    with path.open("rb") as file:
        head = _head(file.read(), path, options)
        await response.write(head)
        left = None if options.limit_bytes is None else options.limit_bytes - len(head)
        if not options.follow or (left is not None and left <= 0):
            return
        while not ctx.stopping:
            over = _over(ctx, call, container, uid)
            while data := file.read(_CHUNK):
                await response.write(_stamp(data, path) if options.timestamps else data)
            if over:
                return
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue


def _head(data: bytes, path: Path, options: LogOptions) -> bytes:
    if options.since is not None and path.stat().st_mtime < options.since:
        # Lines carry no times of their own; a file last written before then has nothing newer.
        data = b""
    if options.tail is not None:
        lines = data.splitlines(keepends=True)
        data = b"".join(deque(lines, maxlen=max(0, options.tail)))
    if options.timestamps:
        data = _stamp(data, path)
    return data if options.limit_bytes is None else data[: options.limit_bytes]


def _stamp(data: bytes, path: Path) -> bytes:
    moment = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
    return b"".join(moment + b" " + line for line in data.splitlines(keepends=True))


def _over(ctx: Context, call: Call, container: str, uid: str) -> bool:
    """Tell whether nothing more will be written."""
    entry = ctx.store.table("pods").get(call.info.namespace, call.info.name)
    if entry is None or entry.obj["metadata"]["uid"] != uid:
        return True
    status = entry.obj.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    for known in (status.get("containerStatuses") or []) + (status.get("initContainerStatuses") or []):
        if known.get("name") == container:
            return "terminated" in (known.get("state") or {})
    return False
