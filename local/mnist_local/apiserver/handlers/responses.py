"""Responses and their headers."""

from __future__ import annotations

from aiohttp import web

from mnist_local.apiserver.call import Call
from mnist_local.apiserver.codec import JSON, encode, wants_table
from mnist_local.apiserver.errors import ApiError, Obj
from mnist_local.apiserver.store import Entry
from mnist_local.apiserver.tables import table_of
from mnist_local.apiserver.views import raw_of


def headers_of(warnings: list[str]) -> list[tuple[str, str]]:
    """Return the headers of every response, with one `Warning` for each sentence."""
    headers = [("Cache-Control", "no-cache, private"), ("Content-Type", JSON)]
    for warning in warnings:
        text = warning.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        headers.append(("Warning", f'299 - "{text}"'))
    return headers


def json_response(body: bytes, code: int = 200, warnings: list[str] | None = None) -> web.Response:
    """Return JSON bytes as a response."""
    from multidict import CIMultiDict

    return web.Response(body=body + b"\n", status=code, headers=CIMultiDict(headers_of(warnings or [])))


def object_response(obj: Obj, code: int = 200, warnings: list[str] | None = None) -> web.Response:
    """Return an object that is not stored."""
    return json_response(encode(obj), code, warnings)


def entry_response(call: Call, entry: Entry, code: int = 200) -> web.Response:
    """Return a stored object, as a Table where the client asks for one."""
    if wants_table(call.headers.get("Accept", "")):
        table = table_of(call.resource, [entry], call.query.get("includeObject", "Metadata"))
        table["metadata"] = {"resourceVersion": str(entry.rv)}
        return object_response(table, code, call.warnings)
    return json_response(raw_of(call.resource, entry), code, call.warnings)


def error_response(error: ApiError, warnings: list[str] | None = None) -> web.Response:
    """Return a failure Status."""
    response = object_response(error.status(), error.code, warnings)
    response.headers.update(error.headers)
    return response
