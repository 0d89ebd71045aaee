"""Models: the releases that trainings left, or that a bucket holds, and a sheet to draw on for each."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from mnist_portal.pages.base import Page, ProblemError
from mnist_portal.releases import Release, load_model, look_at, runs_below
from mnist_portal.rows import row_of
from mnist_portal.storage import StoreError, StorePlace
from mnist_portal.words import seconds_of

routes = web.RouteTableDef()

_MOST_PICTURE = 8 << 20
_MOST_SHOWN = 200


@routes.get("/models")
async def models(request: web.Request) -> web.StreamResponse:
    """Releases of the trainings that show; of a bucket, too, where one is named."""
    page = Page(request)
    feed = await page.access.trainings()
    shown = []
    for training in feed.values():
        if (release := Release.of(training)) is not None:
            status = training["status"]
            shown.append((row_of(training), release, status.get("completionTime") or ""))
    shown.sort(key=lambda one: seconds_of(one[2]), reverse=True)
    asked, found, problem = _asked(request), [], ""
    if asked is not None:
        try:
            found = await runs_below(page.access, asked.place, asked.address)
        except StoreError as error:
            problem = str(error)
    scope = await page.access.scope()
    values: dict[str, Any] = {
        "models": shown[:_MOST_SHOWN],
        "more": len(shown) - _MOST_SHOWN,
        "asked": asked,
        "runs": [(run, Release(asked.place, str(run.address))) for run in found] if asked else [],
        "problem": problem,
        "names": scope.names,
        "home": scope.names[0] if len(scope.names) == 1 else page.access.api.connection.namespace,
    }
    return page.render("models.html", nav="models", **values)


@routes.get("/models/try")
async def sheet(request: web.Request) -> web.StreamResponse:
    """A sheet to draw on."""
    page, release = Page(request), _release(request)
    problem = ""
    try:
        model = await load_model(page.access, release)
        names = model.names
    except StoreError as error:
        problem, names = str(error), ()
    return page.render("try.html", nav="models", release=release, names=names, problem=problem)


@routes.post("/models/try")
async def answer(request: web.Request) -> web.StreamResponse:
    """What the model says of a picture: a part of the page."""
    page, release = Page(request), _release(request)
    given = (await request.post()).get("picture")
    if not isinstance(given, web.FileField):
        raise ProblemError(400, "There is no picture", "Nothing was drawn or dropped.", "Draw a digit first.")
    picture = given.file.read(_MOST_PICTURE + 1)
    if len(picture) > _MOST_PICTURE:
        raise ProblemError(413, "That picture is too large", "It has more than 8 MiB.", "Make it smaller.")
    try:
        model = await load_model(page.access, release)
        seen = await look_at(model, picture, given.filename[:80] or "the picture")
    except StoreError as error:
        raise ProblemError(422, "The model gave no answer", str(error), "Try another picture.") from None
    return page.render("parts/answer.html", seen=seen)


def _asked(request: web.Request) -> Release | None:
    """The bucket that the address names, if it does."""
    query = request.query
    if not query.get("address"):
        return None
    place = StorePlace(
        query.get("namespace", ""), query.get("secret", ""), query.get("endpoint", ""), query.get("region", "")
    )
    return Release(place, query["address"].rstrip("/"))


def _release(request: web.Request) -> Release:
    release = _asked(request)
    if release is None or not release.place.namespace or not release.place.secret:
        raise ProblemError(400, "Which model?", "The address names no release.", "Choose one on the page of models.")
    return release
