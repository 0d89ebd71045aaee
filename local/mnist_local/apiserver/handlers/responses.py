"""Responses: an object, a list or a Status, in the form the client asked for."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web
from multidict import CIMultiDict

from mnist_local.apiserver.call import Call
from mnist_local.apiserver.codec import JSON, YAML, Form, encode, encode_yaml, form_of
from mnist_local.apiserver.errors import ApiError, Obj
from mnist_local.apiserver.store import Entry
from mnist_local.apiserver.tables import table_of
from mnist_local.apiserver.views import item_of, partial_of, raw_of


def headers_of(warnings: Iterable[str], content_type: str = JSON) -> CIMultiDict[str]:
    """Return the headers of every response, with one `Warning` for each sentence."""
    headers: CIMultiDict[str] = CIMultiDict({"Cache-Control": "no-cache, private", "Content-Type": content_type})
    for warning in dict.fromkeys(warnings):
        text = warning.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        headers.add("Warning", f'299 - "{text}"')
    return headers


def json_response(body: bytes, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """Return JSON bytes as a response."""
    return web.Response(body=body + b"\n", status=code, headers=headers_of(warnings))


def object_response(obj: Obj, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """Return an object that is not stored."""
    return json_response(encode(obj), code, warnings)


def _in_form(call: Call, raw: bytes, form: Form, code: int) -> web.Response:
    if form is Form.YAML:
        return web.Response(body=encode_yaml(raw), status=code, headers=headers_of(call.warnings, YAML))
    return json_response(raw, code, call.warnings)


def entry_response(call: Call, entry: Entry, code: int = 200) -> web.Response:
    """Return a stored object."""
    form = form_of(call.headers.get("Accept", ""))
    if form is Form.TABLE:
        table = table_of(call.resource, [entry], call.query.get("includeObject", ""))
        table["metadata"] = {"resourceVersion": str(entry.rv)}
        return object_response(table, code, call.warnings)
    if form is Form.PARTIAL:
        return object_response(partial_of(entry), code, call.warnings)
    return _in_form(call, raw_of(call.resource, entry), form, code)


def list_response(call: Call, entries: list[Entry], metadata: Obj) -> web.Response:
    """Return stored objects as a list."""
    form = form_of(call.headers.get("Accept", ""))
    resource = call.resource
    if form is Form.TABLE:
        table = table_of(resource, entries, call.query.get("includeObject", ""))
        table["metadata"] = metadata
        return object_response(table, 200, call.warnings)
    if form is Form.PARTIAL:
        items = [partial_of(entry) for entry in entries]
        kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        return object_response({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})
    head = encode({"kind": resource.list_kind_name, "apiVersion": resource.api_version, "metadata": metadata})
    raw = b",".join([item_of(resource, entry) for entry in entries])
    return _in_form(call, head[:-1] + b',"items":[' + raw + b"]}", form, 200)


def error_response(error: ApiError, warnings: Iterable[str] = ()) -> web.Response:
    """Return a failure Status."""
    response = object_response(error.status(), error.code, warnings)
    response.headers.update(error.headers)
    return response
