"""Secrets and ConfigMaps."""

from __future__ import annotations

import base64
import re
from typing import Any

from mnist_local.apiserver.errors import Obj, UndecodableError
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.names import config_key
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}")
_LIMIT = 1024 * 1024
_REQUIRED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _default_secret(obj: Obj) -> None:
    if text := obj.pop("stringData", None):
        data = obj.get("data") or {}
        data |= {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        obj["data"] = data
    for value in (obj.get("data") or {}).values():
        if not _BASE64.fullmatch(value or "") or len(value or "") % 4:
            # The value itself must not be shown.
            raise UndecodableError(f"illegal base64 data at input byte {_first_wrong(value)}")
    if not obj.get("type"):
        obj["type"] = "Opaque"


def _first_wrong(value: str) -> int:
    return next((index for index, char in enumerate(value) if not _BASE64.fullmatch(char)), len(value))


def _keys(data: dict[str, Any], path: str) -> list[FieldError]:
    return [field.invalid(f"{path}[{key}]", key, text) for key in data for text in config_key(key)]


def _validate_secret(obj: Obj, old: Obj | None) -> list[FieldError]:
    data = obj.get("data") or {}
    causes = _keys(data, "data")
    size = sum(len(base64.b64decode(value or "")) for value in data.values())
    if size > _LIMIT:
        causes.append(field.too_long("data", _LIMIT))
    for key in _REQUIRED.get(obj.get("type", ""), ()):
        if key not in data:
            causes.append(field.required(f"data[{key}]"))
    if old is not None:
        if obj.get("type") != old.get("type"):
            causes.append(field.invalid("type", obj.get("type"), "field is immutable"))
        causes += _immutable(obj, old, ("data",))
    return causes


def _immutable(obj: Obj, old: Obj, names: tuple[str, ...]) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    causes: list[FieldError] = []
    if not obj.get("immutable"):
        causes.append(field.forbidden("immutable", "field is immutable when `immutable` is set"))
    causes += [
        field.forbidden(name, "field is immutable when `immutable` is set")
        for name in names
        if (obj.get(name) or {}) != (old.get(name) or {})
    ]
    return causes


def _validate_config_map(obj: Obj, old: Obj | None) -> list[FieldError]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    causes = _keys(data, "data") + _keys(binary, "binaryData")
    causes += [
        field.invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in data if key in binary
    ]
    size = sum(len(str(value).encode()) for value in data.values()) + sum(len(v) * 3 // 4 for v in binary.values())
    if size > _LIMIT:
        causes.append(field.too_long("", _LIMIT))
    if old is not None:
        causes += _immutable(obj, old, ("data", "binaryData"))
    return causes


HOOKS = {
    "secrets": Hooks(default=_default_secret, validate=_validate_secret),
    "configmaps": Hooks(validate=_validate_config_map),
}
