"""The table of trainings: live, filtered and sorted by the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from markupsafe import Markup

from mnist_kube.resources import TRAININGS
from mnist_portal import same
from mnist_portal.access import Access, Scope
from mnist_portal.curves import spark
from mnist_portal.live import Feed
from mnist_portal.pages.base import Page, ProblemError, stream
from mnist_portal.rows import COLUMNS, PHASES, Query, Row, Table

routes = web.RouteTableDef()


@routes.get("/")
async def first(request: web.Request) -> web.StreamResponse:
    """The first page is the table."""
    raise web.HTTPFound("/trainings")


@routes.get("/trainings")
async def trainings(request: web.Request) -> web.StreamResponse:
    """The table."""
    page, query = Page(request), Query.of(request.query)
    look = await _look(page.access, query)
    may_create = await page.access.may("create", TRAININGS, query.namespace or look.create_in)
    return page.render(
        "trainings.html",
        nav="trainings",
        may_create=may_create,
        same=same.listing(query.namespace),
        **_values(page, look, query),
    )


@routes.get("/trainings/rows")
async def rows(request: web.Request) -> web.StreamResponse:
    """Only the table, for what changes its order."""
    page, query = Page(request), Query.of(request.query)
    look = await _look(page.access, query)
    response = page.render("parts/table.html", **_values(page, look, query))
    # What was typed stands in the address, so that it can be gone back to and shared.
    response.headers["HX-Push-Url"] = f"/trainings{query.link()}"
    return response


@routes.get("/trainings/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Rows as they change; what comes or goes, or changes its place, has the page ask for the table again."""
    page, query = Page(request), Query.of(request.query)
    access = page.access
    look = await _look(access, query)
    # What the page shows may be older than this stream: then it is to ask for the table at once.
    is_current = look.table.digest == request.query.get("seen")
    shown = [row.id for row in look.table.rows] if is_current else []
    counts = look.table.counts if is_current else {}

    async def draw(changed: set[tuple[str, str]]) -> list[tuple[str, str]]:
        nonlocal shown, counts
        table = access.rows.table(look.feed.values(), query)
        now = [row.id for row in table.rows]
        if now != shown or table.counts != counts:
            shown, counts = now, table.counts
            return [("refresh", "table")]
        drawn = [row for row in table.rows if (row.namespace, row.name) in changed]
        return [("html", row_html(page, row)) for row in drawn]

    return await stream(page, [look.feed], draw)


@dataclass(frozen=True)
class _Look:
    feed: Feed
    scope: Scope
    table: Table
    create_in: str


async def _look(access: Access, query: Query) -> _Look:
    if query.namespace and not (verdict := await access.look_into(query.namespace)):
        raise ProblemError(
            403, "You may not see these trainings", verdict.reason,
            f"Ask whoever administers {query.namespace} for the role `view` there.",
        )  # fmt: skip
    feed = await access.trainings()
    scope = await access.scope()
    create_in = next(iter(scope.names), "") or access.api.connection.namespace
    return _Look(feed, scope, access.rows.table(feed.values(), query), create_in)


def _values(page: Page, look: _Look, query: Query) -> dict[str, Any]:
    return {
        "table": look.table,
        "query": query,
        "scope": look.scope,
        "phases": PHASES,
        "columns": tuple(COLUMNS),
        "drawn": [Markup(row_html(page, row)) for row in look.table.rows],  # noqa: S704 - drawn by our own template
    }


def row_html(page: Page, row: Row) -> str:
    """Return a row of the table; all pages of one identity share what was drawn."""
    access = page.access
    drawn = access.rows.drawn(row)
    if drawn is None:
        template = page.portal.templates.get_template("parts/row.html")
        drawn = template.render(row=row, spark=spark(access.curves.of(row.uid)))
        access.rows.keep(row, drawn)
    return drawn
