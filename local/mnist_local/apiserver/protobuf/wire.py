"""The protobuf wire format: fields as (number, value), where a value is an integer or bytes."""

from __future__ import annotations

from collections.abc import Iterator


class WireError(ValueError):
    """Bytes that are no protobuf message."""


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a varint; returns it and the position after it.

    Raises:
        WireError: it does not end.
    """
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
        if shift > 63:
            break
    raise WireError("a varint does not end")


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message in order.

    Raises:
        WireError: the bytes are cut short or use a wire type that Kubernetes does not.
    """
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = varint(data, position)
            yield number, value
            continue
        if kind == 2:
            size, position = varint(data, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise WireError(f"wire type {kind} is not used by Kubernetes")
        if position + size > len(data):
            raise WireError("a field is cut short")
        yield number, data[position : position + size]
        position += size


def signed(value: int) -> int:
    """Return a varint as the signed 64-bit integer it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value
