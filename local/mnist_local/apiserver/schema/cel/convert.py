"""JSON values as CEL sees them.

Timestamps, durations and bytes are parsed, numbers are doubles, field names are escaped; a field that is null counts as
absent.
"""

import base64
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from google.protobuf import duration_pb2, timestamp_pb2

from mnist_local.apiserver.schema.cel.decl import RESERVED, Decl

Converter = Callable[[Any], Any]
_UNITS: Final = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def converter(decl: Decl) -> Converter | None:
    """A function for values of this type, or None where a value can be used as it is."""
    if decl.kind in _SCALARS:
        return _SCALARS[decl.kind]
    if decl.kind in ("list", "map") and decl.element is not None:
        inner = converter(decl.element)
        if inner is None:
            return None
        return _list_converter(inner) if decl.kind == "list" else _map_converter(inner)
    if decl.kind == "object":
        return _object_converter(decl)
    return None


def _list_converter(inner: Converter) -> Converter:
    return lambda value: [inner(item) for item in value] if isinstance(value, list) else value


def _map_converter(inner: Converter) -> Converter:
    return lambda value: {k: inner(v) for k, v in value.items()} if isinstance(value, dict) else value


def _object_converter(decl: Decl) -> Converter | None:
    special: dict[str, tuple[str, Converter]] = {}
    for name, escaped in decl.names.items():
        inner = converter(decl.fields[escaped])
        if inner is not None or escaped != name or decl.fields[escaped].nullable:
            special[name] = (escaped, inner or _same)
    if not special:
        return None

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        result: dict[str, Any] = {}
        for name, item in value.items():
            renamed = special.get(name)
            if renamed is None:
                result[name] = item
            elif item is not None:
                if name in RESERVED:
                    result[name] = renamed[1](item)
                result[renamed[0]] = renamed[1](item)
        return result

    return convert


def _same(value: Any) -> Any:
    return value


def _double(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _timestamp(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    stamp = timestamp_pb2.Timestamp()
    try:
        stamp.FromJsonString(value if "T" in value.upper() else f"{value}T00:00:00Z")
    except ValueError:
        return value
    return stamp


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    nanos = sum(int(Fraction(number) * _UNITS[unit]) for number, unit in _PART.findall(value))
    if value.startswith("-"):
        nanos = -nanos
    message = duration_pb2.Duration()
    message.FromNanoseconds(nanos)
    return message


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        return value


_SCALARS: Final[dict[str, Converter]] = {
    "double": _double,
    "timestamp": _timestamp,
    "duration": _duration,
    "bytes": _bytes,
}
