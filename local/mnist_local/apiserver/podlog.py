"""`pods/log`: the lines a container wrote, as the kubelet keeps them on disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from pathlib import Path

from aiohttp import web

from mnist_local.apiserver.engine import Engine
from mnist_local.apiserver.errors import Obj, bad_request
from mnist_local.apiserver.request import Call

_POLL_SECONDS = 0.1
_CHUNK = 1 << 16
_NOT_SERVED = ("limitBytes", "previous", "sinceSeconds", "sinceTime", "timestamps")
"""Containers are not started again in place, so there is never a previous one."""


async def pod_log(engine: Engine, call: Call, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a log request with plain text, and go on with `follow` until the container has ended."""
    if unserved := [name for name in _NOT_SERVED if name in call.query]:
        raise bad_request(f"the local API server does not serve {', '.join(unserved)} of logs")
    tail = call.query.get("tailLines", "")
    if tail and not tail.isdigit():
        raise bad_request(f"invalid tailLines {tail!r}: it must be a number")
    pod = engine.require(call.resource, call.namespace, call.info.name).obj
    container = _container(call, pod)
    path = _log_file(engine, call, pod["metadata"]["uid"], container)
    if path is None and _state(pod, container).keys() <= {"waiting"}:
        raise bad_request(f'container "{container}" in pod "{call.info.name}" is waiting to start: ContainerCreating')
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    stop = asyncio.Event()
    engine.wakes.add(stop)
    try:
        await response.prepare(request)
        if path is not None:
            await _send(engine, call, response, path, pod, stop)
    except ConnectionError:
        pass
    finally:
        engine.wakes.discard(stop)
    return response


def _container(call: Call, pod: Obj) -> str:
    """Return the container meant: named, the default by annotation, or the only one."""
    spec, name, wanted = pod["spec"], pod["metadata"]["name"], call.query.get("container", "")
    containers = [c["name"] for c in spec.get("containers") or ()]
    if not wanted:
        annotations = pod["metadata"].get("annotations") or {}
        wanted = annotations.get("kubectl.kubernetes.io/default-container", "")
        wanted = containers[0] if len(containers) == 1 else wanted
        if wanted not in containers:
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: {containers}")
    if wanted not in containers + [c["name"] for c in spec.get("initContainers") or ()]:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def _state(pod: Obj, container: str) -> Obj:
    status = pod.get("status") or {}
    known = (status.get("containerStatuses") or []) + (status.get("initContainerStatuses") or [])
    return next((one.get("state") or {} for one in known if one.get("name") == container), {})


def _log_file(engine: Engine, call: Call, uid: str, container: str) -> Path | None:
    if engine.pod_log_dir is None:
        return None
    path = engine.pod_log_dir / f"{call.namespace}_{call.info.name}_{uid}" / container / "0.log"
    return path if path.exists() else None


async def _send(
    engine: Engine, call: Call, response: web.StreamResponse, path: Path, pod: Obj, stop: asyncio.Event
) -> None:
    tail = call.query.get("tailLines", "")
    with path.open("rb") as file:
        await response.write(b"".join(deque(file.readlines(), maxlen=int(tail) if tail else None)))
        while call.flag("follow") and not engine.stopping:
            over = _is_over(engine, call, pod)
            while data := file.read(_CHUNK):
                await response.write(data)
            if over:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await stop.wait()


def _is_over(engine: Engine, call: Call, pod: Obj) -> bool:
    entry = engine.table(call.resource).get(call.namespace, call.info.name)
    if entry is None or entry.obj["metadata"]["uid"] != pod["metadata"]["uid"]:
        return True
    if (entry.obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    return "terminated" in _state(entry.obj, _container(call, entry.obj))
