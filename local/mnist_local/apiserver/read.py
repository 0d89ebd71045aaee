"""get and list; and the form of every answer: an object, a list, a Table or a Status."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import orjson
from aiohttp import web
from multidict import CIMultiDict

from mnist_local.apiserver.engine import Engine
from mnist_local.apiserver.errors import ApiError, Obj, bad_request, expired
from mnist_local.apiserver.request import JSON, Call, wants_table
from mnist_local.apiserver.selectors import selection
from mnist_local.apiserver.store import Entry, Key, Table
from mnist_local.apiserver.tables import table_of


def headers_of(warnings: Iterable[str]) -> CIMultiDict[str]:
    """Return the headers of every response, with one `Warning` for each sentence."""
    headers: CIMultiDict[str] = CIMultiDict({"Cache-Control": "no-cache, private", "Content-Type": JSON})
    for warning in dict.fromkeys(warnings):
        text = warning.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        headers.add("Warning", f'299 - "{text}"')
    return headers


def json_response(obj: Obj | bytes, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """Answer with an object, or with what is JSON already."""
    body = obj if isinstance(obj, bytes) else orjson.dumps(obj)
    return web.Response(body=body + b"\n", status=code, headers=headers_of(warnings))


def entry_response(call: Call, entry: Entry, code: int = 200) -> web.Response:
    """Answer with a stored object."""
    if not wants_table(call.headers.get("Accept", "")):
        return json_response(call.resource.raw(entry), code, call.warnings)
    table = table_of(call.resource, [entry], call.query.get("includeObject", ""))
    table["metadata"] = {"resourceVersion": str(entry.rv)}
    return json_response(table, code, call.warnings)


def list_response(call: Call, entries: list[Entry], metadata: Obj) -> web.Response:
    """Answer with stored objects as a list."""
    resource = call.resource
    if wants_table(call.headers.get("Accept", "")):
        table = table_of(resource, entries, call.query.get("includeObject", ""))
        return json_response({**table, "metadata": metadata}, 200, call.warnings)
    head = orjson.dumps({"kind": resource.list_kind_name, "apiVersion": resource.api_version, "metadata": metadata})
    items = b",".join(map(resource.item, entries))
    return json_response(head[:-1] + b',"items":[' + items + b"]}", 200, call.warnings)


def error_response(error: ApiError, warnings: Iterable[str] = ()) -> web.Response:
    """Answer with a failure Status."""
    response = json_response(error.status(), error.code, warnings)
    response.headers.update(error.headers)
    return response


def version_of(call: Call, now: int) -> int:
    """Return the resourceVersion asked for, 0 where any will do.

    Raises:
        ApiError: 400, not a number; 504, the server has not reached it.
    """
    text = call.query.get("resourceVersion", "") or "0"
    if not text.isdigit():
        raise bad_request(f"invalid resourceVersion {text!r}: it must be a number")
    if call.info.verb != "watch" and int(text) > now:
        details = {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }
        sentence = f"Timeout: Too large resource version: {text}, current: {now}"
        raise ApiError(504, "Timeout", sentence, details, {"Retry-After": "1"})
    return int(text)


def get(engine: Engine, call: Call) -> web.Response:
    """Answer a get."""
    version_of(call, engine.store.rv)
    return entry_response(call, engine.require(call.resource, call.namespace, call.info.name))


def list_(engine: Engine, call: Call) -> web.Response:
    """Answer a list: a page of it where `limit` asks for one. All pages show the moment of the first."""
    call.choice("ListOptions", "resourceVersionMatch", ("NotOlderThan",))  # an exact older version is not served
    limit, match, table = _limit(call), selection(call.resource, call.query), engine.table(call.resource)
    rv, start = _moment(engine, call, table)
    namespace = call.namespace or None
    if table.unchanged_since(rv):
        source: Iterable[Entry] = table.select(namespace, start)
    else:
        then = sorted(table.at(rv).items())
        source = [e for key, e in then if namespace in (None, key[0]) and (start is None or key > start)]
    found = [
        e for e in source if (not call.info.name or e.key[1] == call.info.name) and (match is None or match(e.obj))
    ]
    page = found[:limit] if limit else found
    metadata: Obj = {"resourceVersion": str(rv)}
    if len(found) > len(page):
        metadata["continue"] = _token(rv, page[-1].key)
        if match is None:
            metadata["remainingItemCount"] = len(found) - len(page)
    return list_response(call, page, metadata)


def _limit(call: Call) -> int:
    text = call.query.get("limit", "") or "0"
    if not text.isdigit():
        raise bad_request(f"invalid limit {text!r}: it must be a number")
    return int(text)


def _token(rv: int, last: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([rv, *last])).decode()


def _moment(engine: Engine, call: Call, table: Table) -> tuple[int, Key | None]:
    now = engine.store.rv
    token = call.query.get("continue", "")
    if not token:
        version_of(call, now)
        return now, None
    try:
        rv, namespace, name = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise bad_request("invalid continue token: continue key is not valid") from None
    if rv < table.floor or rv > now:
        raise expired("The provided continue parameter is too old to display a consistent list result.")
    return rv, (namespace, name)
