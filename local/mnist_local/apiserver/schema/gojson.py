"""Go's way of writing values, as it shows in the API server's messages.

Clients and tests match on these messages, so numbers, strings and JSON are rendered as Go's `fmt` and
`encoding/json` render them.
"""

import json
import math
from decimal import Decimal
from typing import Any

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quote(text: str) -> str:
    """`%q`: a double-quoted Go string literal."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quote_char(c) for c in text) + '"'


def _quote_char(char: str) -> str:
    escaped = _ESCAPES.get(char)
    if escaped is not None:
        return escaped
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: int | float) -> str:
    """`%v` of an int64 or a float64: the shortest form, with an exponent below 1e-4 and from 1e+06 on."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    figures = "".join(str(d) for d in digits).rstrip("0")
    if not figures:
        return "-0" if sign else "0"
    point = len(digits) - 1 + int(exponent)
    if -4 <= point < 6:
        return repr(value).removesuffix(".0") if "e" not in repr(value) else f"{Decimal(repr(value)):f}"
    fraction = f".{figures[1:]}" if len(figures) > 1 else ""
    return f"{'-' if sign else ''}{figures[0]}{fraction}e{point:+03d}"


def marshal(value: Any) -> str:
    """`json.Marshal`: compact, keys sorted, HTML characters escaped."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def render(value: Any) -> str:
    """A field error's bad value: `%v` for numbers and booleans, `%q` for strings, JSON for the rest."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, str):
        return quote(value)
    return marshal(value)
