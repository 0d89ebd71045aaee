"""get and list."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import orjson
from aiohttp import web

from mnist_local.apiserver import listoptions
from mnist_local.apiserver.call import Call
from mnist_local.apiserver.codec import encode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, bad_request, expired
from mnist_local.apiserver.fieldselectors import compile_fields
from mnist_local.apiserver.handlers.responses import entry_response, list_response
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.selectors import Match, both, match_labels, parse_fields, parse_labels
from mnist_local.apiserver.store import Entry, Key, Table


def get(ctx: Context, call: Call) -> web.Response:
    """Answer a get."""
    info = call.info
    wanted = listoptions.version_of(call.query)
    if wanted and wanted > ctx.store.rv:
        raise listoptions.too_large(wanted, ctx.store.rv)
    entry = Engine(ctx).require(call.resource, info.namespace if call.resource.namespaced else "", info.name)
    return entry_response(call, entry)


def selection_of(call: Call) -> Match | None:
    """Return the predicate of the request's selectors.

    Raises:
        ApiError: 400.
    """
    labels = match_labels(parse_labels(call.query.get("labelSelector", "")))
    terms = parse_fields(call.query.get("fieldSelector", ""))
    return both(labels, compile_fields(call.resource, terms))


@dataclass(frozen=True, slots=True)
class Continue:
    """Where a paged list goes on: the version it is taken at and the last key given out."""

    rv: int
    start: Key

    def token(self) -> str:
        """Return the opaque text for the client."""
        value = {"v": "meta.k8s.io/v1", "rv": self.rv, "start": "/".join(self.start)}
        return base64.urlsafe_b64encode(encode(value)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Continue:
        """Read a client's token.

        Raises:
            ApiError: 400.
        """
        try:
            value = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            namespace, _, name = str(value["start"]).partition("/")
            return cls(int(value["rv"]), (namespace, name))
        except (ValueError, KeyError, TypeError):
            raise bad_request("invalid continue token: continue key is not valid") from None


@dataclass(slots=True)
class _Page:
    """One page of a list; `remaining` is known where no selector hides it."""

    entries: list[Entry]
    rv: int
    more: Continue | None = None
    remaining: int | None = None


def list_(ctx: Context, call: Call) -> web.Response:
    """Answer a list: a page of it where `limit` asks for one."""
    listoptions.check(call.query, watching=False)
    page = _page(ctx, call, ctx.table(call.resource), selection_of(call))
    metadata: Obj = {"resourceVersion": str(page.rv)}
    if page.more is not None:
        metadata["continue"] = page.more.token()
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    elif call.resource.custom and "continue" in call.query:
        metadata["continue"] = ""
    return list_response(call, page.entries, metadata)


def _page(ctx: Context, call: Call, table: Table, match: Match | None) -> _Page:
    namespace = (call.info.namespace or None) if call.resource.namespaced else None
    name, limit = call.info.name, listoptions.limit_of(call.query)
    rv, start, snapshot = _moment(ctx, call, table)
    if snapshot is not None:
        keys = sorted(k for k in snapshot if (namespace is None or k[0] == namespace) and (start is None or k > start))
        source = [snapshot[key] for key in keys]
    elif name and namespace:
        entry = table.get(namespace, name)
        source = [entry] if entry else []
    elif limit and match is None:
        source = list(table.select(namespace, start))
    else:
        return _select(table, namespace, start, match, limit, rv)
    page = _Page([], rv)
    for index, entry in enumerate(source):
        if match is not None and not match(entry.obj):
            continue
        if limit and len(page.entries) == limit:
            page.more = Continue(rv, page.entries[-1].key)
            page.remaining = len(source) - index if match is None else None
            break
        page.entries.append(entry)
    return page


def _select(table: Table, namespace: str | None, start: Key | None, match: Match | None, limit: int, rv: int) -> _Page:
    page = _Page([], rv)
    for entry in table.select(namespace, start):
        if match is None or match(entry.obj):
            if limit and len(page.entries) == limit:
                page.more = Continue(rv, page.entries[-1].key)
                break
            page.entries.append(entry)
    return page


def _moment(ctx: Context, call: Call, table: Table) -> tuple[int, Key | None, dict[Key, Entry] | None]:
    """Return the version to list at, where to start, and the objects at that version (None: now)."""
    now = ctx.store.rv
    wanted = listoptions.version_of(call.query)
    if token := call.query.get("continue", ""):
        resume = Continue.parse(token)
        if wanted:
            raise bad_request("specifying resource version is not allowed when using continue")
        if resume.rv < table.floor or resume.rv > now:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter, or use the continue token in this response to retrieve the "
                "remainder of the results. Continuing with the provided token results in an inconsistent list - "
                "objects that were created, modified, or deleted between the time the first chunk was returned and "
                "now may show up in the list."
            )
        return resume.rv, resume.start, None if table.unchanged_since(resume.rv) else table.at(resume.rv)
    if wanted and wanted > now:
        raise listoptions.too_large(wanted, now)
    if call.query.get("resourceVersionMatch") == "Exact" and wanted:
        if wanted < table.floor:
            raise expired(f"The resourceVersion for the provided list is too old: {wanted}")
        return wanted, None, None if table.unchanged_since(wanted) else table.at(wanted)
    return now, None, None
