"""Compare: curves of any trainings on one plot, the settings that differ, the classes."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from mnist_kube.objects import Object
from mnist_portal.access import gathered
from mnist_portal.compare import MOST, Side, classes, settings
from mnist_portal.curves import of_metrics, series
from mnist_portal.pages.base import Page
from mnist_portal.releases import Release, metrics_of
from mnist_portal.rows import row_of
from mnist_portal.storage import StoreError
from mnist_portal.words import seconds_of

routes = web.RouteTableDef()

_MOST_OFFERED = 300


@routes.get("/compare")
async def compare(request: web.Request) -> web.StreamResponse:
    """The comparison that the address names, and all trainings to choose from."""
    page = Page(request)
    feed = await page.access.trainings()
    every = {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in feed.values()}
    asked = list(dict.fromkeys(request.query.getall("of", [])))[:MOST]
    missing = [name for name in asked if name not in every]
    sides = await gathered(*(_side(page, every[name]) for name in asked if name in every))
    offered = sorted((row_of(one) for one in every.values()), key=lambda row: seconds_of(row.created), reverse=True)
    curves = [{"label": side.label, "series": series(_points(page, side))} for side in sides]
    values: dict[str, Any] = {
        "sides": sides,
        "asked": asked,
        "missing": missing,
        "offered": offered[:_MOST_OFFERED],
        "most": MOST,
        "curves": json.dumps(curves),
        "has_curves": any(one["series"] for one in curves),
        "settings_rows": settings(sides) if len(sides) > 1 else [],
        "class_rows": classes(sides),
        "command": f"mnistctl runs compare {' '.join(_addresses(every, asked))}",
    }
    return page.render("compare.html", nav="compare", **values)


async def _side(page: Page, training: Object) -> Side:
    release = Release.of(training)
    if release is None:
        return Side.of(training, {}, "")
    try:
        return Side.of(training, await metrics_of(page.access, release), "")
    except StoreError as error:
        return Side.of(training, {}, str(error))


def _points(page: Page, side: Side) -> Any:
    return of_metrics(side.metrics) if side.metrics else page.access.curves.of(side.row.uid)


def _addresses(every: dict[str, Object], asked: list[str]) -> list[str]:
    found = [Release.of(every[name]) for name in asked if name in every]
    return [release.address for release in found if release is not None] or ["s3://models/..."]
