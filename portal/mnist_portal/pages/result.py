"""What a training left: accuracy, files with digests to download, per-class figures, its report."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from mnist_portal import same
from mnist_portal.pages.base import Page, ProblemError, attachment
from mnist_portal.pages.training import header, looked
from mnist_portal.releases import Release, files_of, metrics_of, read_file
from mnist_portal.security import SEALED_PAGE
from mnist_portal.storage import StoreError

routes = web.RouteTableDef()

_PATH = "/trainings/{namespace}/{name}/result"
_INLINE = "report.html"


@routes.get(_PATH)
async def result(request: web.Request) -> web.StreamResponse:
    """The result, or why there is none."""
    page = Page(request)
    look = await looked(page)
    release = Release.of(look.training)
    files: list[dict[str, Any]] = []
    metrics: dict[str, Any] = {}
    problem = ""
    if release is not None:
        try:
            files = await files_of(page.access, release)
            metrics = await metrics_of(page.access, release)
        except StoreError as error:
            problem = str(error)
    told = (look.training.get("status") or {}).get("result") or {}
    names = (metrics.get("dataset") or {}).get("classNames") or []
    values: dict[str, Any] = {
        "release": release,
        "files": files,
        "metrics": metrics,
        "class_names": names,
        "problem": problem,
        "same": same.fetching(*page.where, told),
    }
    return page.render("result.html", **await header(page, look, "result"), **values)


@routes.get(_PATH + "/files/{file:.+}")
async def download(request: web.Request) -> web.StreamResponse:
    """One of the files that the release's manifest names, whole and with the digest that was sealed."""
    page, file = Page(request), request.match_info["file"]
    release = Release.of(await page.access.training(*page.where))
    if release is None:
        raise ProblemError(404, "There is no result yet", "It is made when a training succeeds.", "Come back then.")
    try:
        data = await read_file(page.access, release, file)
    except LookupError:
        raise ProblemError(404, "There is no such file", f"The manifest names no {file[:80]!r}.", "Go back.") from None
    except StoreError as error:
        raise ProblemError(502, "The bucket cannot be read", str(error), "See the sentence above.") from None
    if file == _INLINE and request.query.get("show"):
        # Somebody else's page at our address: it may be looked at, and do nothing.
        return web.Response(body=data, content_type="text/html", headers={"Content-Security-Policy": SEALED_PAGE})
    name = f"{page.where[1]}-{file.rpartition('/')[2]}"
    headers = attachment(name)
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)
