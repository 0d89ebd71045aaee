"""From Kubernetes' protobuf envelope to the object as JSON has it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import orjson

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.protobuf.wire import WireError, fields, signed

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_PACKAGES = {
    "v1": "core",
    "batch/v1": "batch",
    "apps/v1": "apps",
    "rbac.authorization.k8s.io/v1": "rbac",
    "authentication.k8s.io/v1": "authn",
    "authorization.k8s.io/v1": "authz",
    "policy/v1": "policy",
    "coordination.k8s.io/v1": "coord",
    "scheduling.k8s.io/v1": "sched",
    "networking.k8s.io/v1": "net",
    "events.k8s.io/v1": "events",
    "meta.k8s.io/v1": "meta",
}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: str
    repeated: bool
    map: bool
    inline: bool
    optional: bool


@cache
def _messages() -> dict[str, dict[int, _Field]]:
    text = resources.files(__package__).joinpath("fields.txt").read_text()
    out: dict[str, dict[int, _Field]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            message, *parts = line.split()
            out[message] = dict(_field(part) for part in parts)
    return out


def _field(text: str) -> tuple[int, _Field]:
    number, name, kind = text.split(":")
    bare = kind.strip("*={?")
    return int(number), _Field(name, bare, kind[0] == "*", kind[0] == "{", kind[0] == "=", kind[-1] == "?")


def decode(body: bytes) -> Obj:
    """Return the object in an envelope, with its kind and apiVersion.

    Raises:
        WireError: it is no envelope, of a kind or with a field that is not known here.
    """
    if not body.startswith(_MAGIC):
        raise WireError("the body does not begin with the magic bytes of Kubernetes' protobuf")
    envelope = dict(fields(body[len(_MAGIC) :]))
    type_meta = dict(fields(_bytes(envelope.get(1, b""))))
    api_version, kind = _bytes(type_meta.get(1, b"")).decode(), _bytes(type_meta.get(2, b"")).decode()
    package = "meta" if kind == "DeleteOptions" else _PACKAGES.get(api_version, "")
    message = f"{package}.{kind}"
    if message not in _messages():
        raise WireError(f"{kind} of {api_version} is not known in protobuf")
    return {"kind": kind, "apiVersion": api_version, **_message(message, _bytes(envelope.get(2, b"")))}


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("an integer stands where bytes are expected")
    return value


def _message(name: str, data: bytes) -> Obj:
    known = _messages()[name]
    out: Obj = {}
    for number, raw in fields(data):
        field = known.get(number)
        if field is None:
            raise WireError(f"field {number} of {name} is not known")
        if field.map:
            key, value = _map_entry(field, _bytes(raw))
            out.setdefault(field.name, {})[key] = value
            continue
        value = _value(field.type, raw)
        if field.repeated:
            out.setdefault(field.name, []).append(value)
        elif field.inline:
            out.update(value)
        elif field.optional or value not in ("", 0, False, None):
            out[field.name] = value
    return out


def _map_entry(field: _Field, data: bytes) -> tuple[str, Any]:
    entry = dict(fields(data))
    empty: int | bytes = 0 if field.type in "bi" else b""
    return _bytes(entry.get(1, b"")).decode(), _value(field.type, entry.get(2, empty))


def _value(kind: str, raw: int | bytes) -> Any:
    if kind in ("b", "i"):
        if not isinstance(raw, int):
            raise WireError("bytes stand where an integer is expected")
        return bool(raw) if kind == "b" else signed(raw)
    data = _bytes(raw)
    if kind == "s":
        return data.decode()
    if kind == "x":
        return base64.b64encode(data).decode()
    if kind == "d":
        return struct.unpack("<d", data)[0]
    if special := _SPECIAL.get(kind):
        return special(data)
    return _message(kind, data)


def _moment(data: bytes, micro: bool) -> str | None:
    parts = dict(fields(data))
    if not parts:
        return None
    seconds, nanos = parts.get(1, 0), parts.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        raise WireError("a time is malformed")
    text = datetime.fromtimestamp(signed(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos // 1000:06d}Z" if micro else f"{text}Z"


def _int_or_string(data: bytes) -> int | str:
    parts = dict(fields(data))
    if parts.get(1, 0) == 1:
        return _bytes(parts.get(3, b"")).decode()
    number = parts.get(2, 0)
    return signed(number) if isinstance(number, int) else 0


def _text(data: bytes) -> str:
    return _bytes(dict(fields(data)).get(1, b"")).decode()


def _list_of_texts(data: bytes) -> list[str]:
    return [_bytes(value).decode() for _, value in fields(data)]


def _json(data: bytes) -> Any:
    raw = _bytes(dict(fields(data)).get(1, b""))
    return orjson.loads(raw) if raw else None


_SPECIAL: dict[str, Callable[[bytes], Any]] = {
    "meta.Time": lambda data: _moment(data, False),
    "meta.MicroTime": lambda data: _moment(data, True),
    "res.Quantity": _text,
    "intstr.IntOrString": _int_or_string,
    "meta.FieldsV1": _json,
    "runtime.RawExtension": _json,
    "authn.ExtraValue": _list_of_texts,
    "authz.ExtraValue": _list_of_texts,
}
