"""The string formats that Kubernetes checks; any other is documentation only."""

import base64
import binascii
import datetime as dt
import email.utils
import ipaddress
import re
from collections.abc import Callable
from functools import cache
from urllib.parse import urlsplit

_GO_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)\Z")
_SCALA_DURATION = re.compile(r"(\d+)\s*([A-Za-zµ]+)")
_SCALA_UNITS = (
    ("ns", "nano"), ("us", "µs", "micro"), ("ms", "milli"), ("s", "sec"), ("m", "min"), ("h", "hr", "hour"),
    ("d", "day"), ("w", "wk", "week"),
)  # fmt: skip
_DATE_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))\Z")
_HEX = "[0-9a-f]"
_LETTER = r"[^\W_]"
_HOSTNAME = re.compile(
    rf"(?:{_LETTER}(?:-?{_LETTER}{{0,62}})?|(?:{_LETTER}(?:(?:{_LETTER}|-){{0,61}}{_LETTER})?\.)+[^\W\d_]{{2,63}})\Z"
)
_NAME_SEGMENT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _matches(pattern: str, flags: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(rf"(?:{pattern})\Z", flags)
    return lambda text: compiled.match(text) is not None


def _uuid(third: str, fourth: str) -> Callable[[str], bool]:
    return _matches(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{third}-?{fourth}-?{_HEX}{{12}}", re.IGNORECASE)


def is_duration(text: str) -> bool:
    """A Go duration, or Scala's ("2 days")."""
    if _GO_DURATION.match(text):
        return True
    return any(_is_scala_unit(unit.lower()) for _, unit in _SCALA_DURATION.findall(text))


def _is_scala_unit(unit: str) -> bool:
    return any(unit in variants or unit.startswith(variants[-1]) for variants in _SCALA_UNITS)


def is_date(text: str) -> bool:
    """A day as RFC 3339 writes it."""
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2006-01-02") and text[4] == text[7] == "-"


def is_date_time(text: str) -> bool:
    """RFC 3339, as strict about ranges as the API server (hours to 23, minutes and seconds to 59)."""
    if len(text) < len("2006-01-02T"):
        return False
    date, _, clock = text.lower().partition("t")
    matched = _DATE_TIME.match(clock)
    if not is_date(date) or matched is None:
        return False
    hour, minute, second = (int(part) for part in matched.group(1, 2, 3))
    return hour <= 23 and minute <= 59 and second <= 59


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return text != ""


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 (raises ValueError for a port that is no number)
    except ValueError:
        return False
    return not any(c.isspace() for c in text) and (bool(parts.scheme) or text.startswith("/"))


def _is_email(text: str) -> bool:
    _, address = email.utils.parseaddr(text)
    local, _, domain = address.rpartition("@")
    return bool(local) and bool(domain) and " " not in address


def _is_ip(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        # Leading zeros and no zones, as the server has it.
        plain = ".".join(part.lstrip("0") or "0" for part in text.split(".")) if version == 4 else text
        try:
            return ipaddress.ip_address(plain).version == version and "%" not in text
        except ValueError:
            return False

    return check


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "/" in text


def _is_hostname(text: str) -> bool:
    """RFC 1034 with the server's oddities: a single label may have a dash in its second place only."""
    return len(text) <= 255 and all(len(p) <= 63 for p in text.split(".")) and _HOSTNAME.match(text) is not None


def _is_credit_card(text: str) -> bool:
    digits = [int(c) for c in text if c.isdecimal()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [d if i % 2 == 0 else d * 2 - 9 * (d > 4) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_isbn(*lengths: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        digits = text.replace("-", "").replace(" ", "")
        if len(digits) not in lengths:
            return False
        if len(digits) == 10:
            if not digits[:9].isdigit() or digits[9] not in "0123456789X":
                return False
            return sum((10 - i) * (10 if c == "X" else int(c)) for i, c in enumerate(digits)) % 11 == 0
        return digits.isdigit() and sum(int(c) * (1, 3)[i % 2] for i, c in enumerate(digits)) % 10 == 0

    return check


_FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(f"{_HEX}{{24}}", re.IGNORECASE),
    "uri": _is_uri,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_ip(4),
    "ipv6": _is_ip(6),
    "cidr": _is_cidr,
    "mac": _matches(
        r"([0-9a-f]{2}([:-][0-9a-f]{2}){5}|[0-9a-f]{2}([:-][0-9a-f]{2}){7}|([0-9a-f]{4}\.){2,3}[0-9a-f]{4}|[0-9a-f]{12})",
        re.IGNORECASE,
    ),
    "uuid": _uuid(f"{_HEX}{{4}}", f"{_HEX}{{4}}"),
    "uuid3": _uuid(f"3{_HEX}{{3}}", f"{_HEX}{{4}}"),
    "uuid4": _uuid(f"4{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}"),
    "uuid5": _uuid(f"5{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}"),
    "isbn": _is_isbn(10, 13),
    "isbn10": _is_isbn(10),
    "isbn13": _is_isbn(13),
    "creditcard": _is_credit_card,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _matches(
        r"rgb\(\s*(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])(\s*,\s*(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])){2}\s*\)"
    ),
    "byte": _is_base64,
    "password": lambda _: True,
    "date": is_date,
    "duration": is_duration,
    "datetime": is_date_time,
    "k8sshortname": lambda text: len(text) <= 63 and _matches(_NAME_SEGMENT)(text),
    "k8slongname": lambda text: len(text) <= 253 and _matches(rf"{_NAME_SEGMENT}(\.{_NAME_SEGMENT})*")(text),
}


@cache
def effective(type_: str, format_: str) -> str:
    """The format that is enforced for a schema of this type: "" when Kubernetes ignores it."""
    if type_ in ("", "string"):
        return format_ if format_.replace("-", "") in _FORMATS else ""
    if type_ == "integer":
        return format_ if format_ in ("int32", "int64") else ""
    if type_ == "number":
        return format_ if format_ in ("float", "double") else ""
    return ""


def accepts(format_: str, text: str) -> bool:
    """Whether a string is valid for a format; unknown formats accept anything."""
    check = _FORMATS.get(format_.replace("-", ""))
    return check is None or check(text)
