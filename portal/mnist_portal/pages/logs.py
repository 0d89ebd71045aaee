"""Logs: of pods as they are written, and from the bucket when the pods are gone; searched, and to download."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from aiohttp import web

from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import PODS
from mnist_portal import same
from mnist_portal.detail import PodView
from mnist_portal.pages.base import Page, ProblemError, attachment
from mnist_portal.pages.training import Look, header, looked
from mnist_portal.storage import StoredLog, stored_logs, stored_text

routes = web.RouteTableDef()

_PATH = "/trainings/{namespace}/{name}/logs"
_TAIL_LINES = 2000
_MOST_BYTES = 32 << 20
_FOLLOW_BYTES = 64 << 10
_SILENCE_S = 3600.0


@routes.get(_PATH)
async def logs(request: web.Request) -> web.StreamResponse:
    """One log, and the others to choose from."""
    page = Page(request)
    look = await looked(page)
    may = await page.access.may("get", PODS, page.where[0], "log")
    stored, why_none = await stored_logs(page.access, look.training)
    source = _chosen(request, look, stored)
    text, problem = await _read(page, look, source, _TAIL_LINES)
    wanted = request.query.get("q", "").strip()[:200]
    lines = [line for line in text.splitlines() if wanted.lower() in line.lower()] if wanted else text.splitlines()
    values: dict[str, Any] = {
        "pods": look.pods,
        "stored": stored,
        "why_none": why_none,
        "source": source,
        "lines": lines,
        "wanted": wanted,
        "problem": problem or ("" if may or source.startswith("file:") else may.reason),
        "follows": source.startswith("pod:") and not problem and not wanted,
        "same": same.logs(*page.where, attempt=0),
    }
    return page.render("logs.html", **await header(page, look, "logs"), **values)


@routes.get(_PATH + "/download")
async def download(request: web.Request) -> web.StreamResponse:
    """The whole log as a text file."""
    page = Page(request)
    look = await looked(page)
    stored, _ = await stored_logs(page.access, look.training)
    source = _chosen(request, look, stored)
    text, problem = await _read(page, look, source, None)
    if problem:
        raise ProblemError(404, "There is no such log", problem, "Choose another one.")
    name = source.partition(":")[2].replace("/", "-").removesuffix(".log") or "log"
    headers = attachment(f"{name}.log")
    return web.Response(text=text, content_type="text/plain", headers=headers)


@routes.get(_PATH + "/follow")
async def follow(request: web.Request) -> web.StreamResponse:
    """The log of a pod from now on, as server-sent events; lines come in bundles, as the API server sends them."""
    page = Page(request)
    namespace, name = page.where[0], request.query.get("pod", "")
    container = request.query.get("container", "")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    query = {"follow": "true", "tailLines": "0", "container": container}
    with contextlib.suppress(ConnectionError):
        try:
            chunks = page.access.api.stream(PODS.path(namespace, name, "log"), query, _SILENCE_S)
            async with contextlib.aclosing(_lines(chunks)) as bundles:
                async for bundle in bundles:
                    if not page.is_signed_in():
                        break
                    await response.write(
                        b"event: lines\n" + b"".join(b"data: " + one + b"\n" for one in bundle) + b"\n"
                    )
            await response.write(b"event: end\ndata: The log has ended.\n\n")
        except ApiError as error:
            told = " ".join(error.message.split()).encode()
            await response.write(b"event: end\ndata: " + told + b"\n\n")
    return response


async def _lines(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[list[bytes], None]:
    """Whole lines out of chunks; a line without end is cut."""
    rest = b""
    async with contextlib.aclosing(chunks) as coming:
        async for chunk in coming:
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _FOLLOW_BYTES:
                lines, rest = [*lines, rest], b""
            if lines:
                yield [line.replace(b"\r", b" ") for line in lines]
    if rest:
        yield [rest]


def _chosen(request: web.Request, look: Look, stored: list[StoredLog]) -> str:
    """The log that is meant: `pod:NAME`, `file:PATH` or `tail`; the trainer's own unless another is named."""
    asked = request.query.get("source", "")
    known = {f"pod:{pod.name}" for pod in look.pods} | {f"file:{log.path}" for log in stored} | {"tail"}
    if asked in known:
        return asked
    latest = [pod for pod in look.pods if pod.role == "submitter"] or [pod for pod in look.pods if pod.role == "head"]
    if latest:
        return f"pod:{max(latest, key=lambda pod: pod.started).name}"
    drivers = [log for log in stored if log.name == "driver.log"]
    if drivers or stored:
        return f"file:{max(drivers or stored, key=lambda log: log.attempt).path}"
    return "tail"


async def _read(page: Page, look: Look, source: str, tail: int | None) -> tuple[str, str]:
    """The text of a log, and why there is none."""
    kind, _, name = source.partition(":")
    if kind == "pod":
        pod = next(pod for pod in look.pods if pod.name == name)
        return await _of_pod(page, pod, tail)
    if kind == "file":
        return await stored_text(page.access, look.training, name, tail)
    return _of_status(look.training)


async def _of_pod(page: Page, pod: PodView, tail: int | None) -> tuple[str, str]:
    query = {"container": pod.container}
    query |= {"tailLines": str(tail)} if tail is not None else {}
    text = bytearray()
    try:
        path = PODS.path(page.where[0], pod.name, "log")
        async with contextlib.aclosing(page.access.api.stream(path, query, 30.0)) as chunks:
            async for chunk in chunks:
                text += chunk
                if len(text) > _MOST_BYTES:
                    break
    except ApiError as error:
        return "", error.message
    return text.decode(errors="replace"), ""


def _of_status(training: Object) -> tuple[str, str]:
    failure: dict[str, Any] = (training.get("status") or {}).get("lastFailure") or {}
    if failure.get("logTail"):
        return str(failure["logTail"]), ""
    return "", "There is no log yet: no pod of this training runs, and none has left a log in the bucket."
