"""get and list."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import orjson
from aiohttp import web

from mnist_local.apiserver.call import Call
from mnist_local.apiserver.codec import encode, wants_table
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, bad_request, expired
from mnist_local.apiserver.fieldselectors import compile_fields
from mnist_local.apiserver.handlers.responses import entry_response, json_response, object_response
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.selectors import Match, both, match_labels, parse_fields, parse_labels
from mnist_local.apiserver.store import Entry, Key, Table
from mnist_local.apiserver.tables import table_of
from mnist_local.apiserver.views import item_of


def get(ctx: Context, call: Call) -> web.Response:
    """Answer a get."""
    info = call.info
    version_of(call)
    entry = Engine(ctx).require(call.resource, info.namespace if call.resource.namespaced else "", info.name)
    return entry_response(call, entry)


def selection_of(call: Call) -> Match | None:
    """Return the predicate of the request's selectors.

    Raises:
        ApiError: 400.
    """
    labels = match_labels(parse_labels(call.query.get("labelSelector", "")))
    terms = parse_fields(call.query.get("fieldSelector", ""))
    return both(labels, compile_fields(call.resource, terms, call.resource.selectable))


def version_of(call: Call) -> int | None:
    """Return the request's resourceVersion, None where unset.

    Raises:
        ApiError: 400, not a number.
    """
    text = call.query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(f'Invalid value: "{text}": invalid resource version "{text}"')
    return int(text)


@dataclass(frozen=True, slots=True)
class Continue:
    """Where a paged list goes on: the version it is taken at and the last key given out."""

    rv: int
    start: Key

    def token(self) -> str:
        """Return the opaque text for the client."""
        return base64.urlsafe_b64encode(encode({"v": 1, "rv": self.rv, "start": self.start})).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Continue:
        """Read a client's token.

        Raises:
            ApiError: 400.
        """
        try:
            value = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return cls(int(value["rv"]), (str(value["start"][0]), str(value["start"][1])))
        except (ValueError, KeyError, TypeError, IndexError):
            raise bad_request("continue key is not valid") from None


def list_(ctx: Context, call: Call) -> web.Response:
    """Answer a list: a page of it where `limit` asks for one."""
    table = ctx.table(call.resource)
    as_table = wants_table(call.headers.get("Accept", ""))
    match = selection_of(call)
    limit = _limit(call)
    entries, rv, more = _page(ctx, call, table, match, limit)
    metadata: Obj = {"resourceVersion": str(rv)}
    if more is not None:
        metadata["continue"] = more.token()
    if as_table:
        answer = table_of(call.resource, entries, call.query.get("includeObject", "Metadata"))
        answer["metadata"] = metadata
        return object_response(answer, 200, call.warnings)
    resource = call.resource
    head = encode({"kind": resource.list_kind_name, "apiVersion": resource.api_version, "metadata": metadata})
    items = b",".join([item_of(resource, entry) for entry in entries])
    return json_response(head[:-1] + b',"items":[' + items + b"]}", 200, call.warnings)


def _limit(call: Call) -> int:
    text = call.query.get("limit", "") or "0"
    try:
        return max(0, int(text))
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _page(
    ctx: Context, call: Call, table: Table, match: Match | None, limit: int
) -> tuple[list[Entry], int, Continue | None]:
    namespace = call.info.namespace or None if call.resource.namespaced else None
    name = call.info.name
    rv, start, snapshot = _moment(ctx, call, table)
    if snapshot is None:
        source = iter(_named(table, namespace, name)) if name and namespace else table.select(namespace, start)
    else:
        keys = sorted(k for k in snapshot if (namespace is None or k[0] == namespace) and (start is None or k > start))
        source = iter([snapshot[key] for key in keys])
    entries: list[Entry] = []
    for entry in source:
        if match is not None and not match(entry.obj):
            continue
        if limit and len(entries) == limit:
            return entries, rv, Continue(rv, entries[-1].key)
        entries.append(entry)
    return entries, rv, None


def _named(table: Table, namespace: str, name: str) -> list[Entry]:
    entry = table.get(namespace, name)
    return [entry] if entry else []


def _moment(ctx: Context, call: Call, table: Table) -> tuple[int, Key | None, dict[Key, Entry] | None]:
    """Return the version to list at, where to start, and the objects at that version (None: now)."""
    now = ctx.store.rv
    wanted = version_of(call)
    matching = call.query.get("resourceVersionMatch", "")
    if token := call.query.get("continue", ""):
        if wanted:
            raise bad_request("specifying resource version is not allowed when using continue")
        resume = Continue.parse(token)
        if resume.rv < table.floor or resume.rv > now:
            raise expired("The provided continue parameter is too old to display a consistent list result.")
        return resume.rv, resume.start, None if resume.rv == now else table.at(resume.rv)
    if matching and wanted is None:
        raise bad_request("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if wanted and wanted > now:
        raise too_large(wanted, now)
    if matching == "Exact" and wanted:
        if wanted < table.floor:
            raise expired(f"The resourceVersion for the provided list is too old: {wanted} ({table.floor})")
        return wanted, None, None if wanted == now else table.at(wanted)
    return now, None, None


def too_large(wanted: int, now: int) -> Exception:
    """Return the 504 for a version that the server has not reached."""
    from mnist_local.apiserver.errors import ApiError

    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {now}",
        {"causes": [cause], "retryAfterSeconds": 1},
        {"Retry-After": "1"},
    )
