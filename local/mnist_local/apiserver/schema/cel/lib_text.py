"""Functions on text: url(), find(), findAll(), semver()."""

import re
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from mnist_local.apiserver.schema.cel.functions import Function, box, unbox
from mnist_local.apiserver.schema.values import regexp

_SEMVER: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?\Z",
    re.ASCII,
)


def _parse_url(text: str) -> SplitResult:
    parts = urlsplit(text)
    if any(c.isspace() for c in text) or not (parts.scheme or text.startswith("/")):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    parts.port  # noqa: B018 (raises ValueError for a port that is no number)
    return parts


def _is_url(text: str) -> bool:
    try:
        _parse_url(text)
    except ValueError:
        return False
    return True


def _url(value: dict[str, str]) -> SplitResult:
    return urlsplit(unbox("url", value))


def _host(value: dict[str, str]) -> str:
    return _url(value).netloc.rpartition("@")[2]


def _hostname(value: dict[str, str]) -> str:
    host = _host(value)
    return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]


def _port(value: dict[str, str]) -> str:
    port = _url(value).port
    return "" if port is None else str(port)


def _to_url(text: str) -> dict[str, str]:
    _parse_url(text)
    return box("url", text)


def _find(text: str, pattern: str) -> str:
    found = regexp(pattern).search(text)
    return "" if found is None else str(found.group(0))


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [str(m.group(0)) for m in regexp(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _parse_semver(text: str, *, normalize: bool = False) -> tuple[int, int, int, tuple[str, ...]]:
    if normalize:
        core, separator, rest = text.removeprefix("v").partition("-")
        numbers = [str(int(part)) if part.isdecimal() else part for part in core.split(".")]
        text = ".".join([*numbers, "0", "0"][: max(3, len(numbers))]) + separator + rest
    matched = _SEMVER.match(text)
    if matched is None:
        raise ValueError(f"invalid semver: {text!r}")
    major, minor, patch, pre = matched.group(1, 2, 3, 4)
    return int(major), int(minor), int(patch), tuple(pre.split(".")) if pre else ()


def _semver(text: str, normalize: bool = False) -> dict[str, str]:
    major, minor, patch, pre = _parse_semver(text, normalize=normalize)
    return box("semver", f"{major}.{minor}.{patch}" + (f"-{'.'.join(pre)}" if pre else ""))


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        _parse_semver(text, normalize=normalize)
    except ValueError:
        return False
    return True


def _rank(value: dict[str, str]) -> tuple[Any, ...]:
    """A sort key by the precedence rules of semver.org."""
    major, minor, patch, pre = _parse_semver(unbox("semver", value))
    identifiers = tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pre)
    return major, minor, patch, not pre, identifiers


def _of_url(name: str, overload: str, result: str, implementation: Any) -> Function:
    return Function(name, overload, ("url",), result, implementation, True)


def _of_semver(name: str, overload: str, result: str, implementation: Any, *parameters: str) -> Function:
    return Function(name, overload, ("semver", *parameters), result, implementation, True)


FUNCTIONS: Final = (
    Function("url", "string_to_url", ("string",), "url", _to_url),
    Function("isURL", "is_url_string", ("string",), "bool", _is_url),
    _of_url("getScheme", "url_get_scheme", "string", lambda v: _url(v).scheme),
    _of_url("getHost", "url_get_host", "string", _host),
    _of_url("getHostname", "url_get_hostname", "string", _hostname),
    _of_url("getPort", "url_get_port", "string", _port),
    _of_url(
        "getEscapedPath",
        "url_get_escaped_path",
        "string",
        lambda v: quote(unquote(_url(v).path), safe="/:@!$&'()*+,;=~"),
    ),
    _of_url(
        "getQuery",
        "url_get_query",
        "map<string,list<string>>",
        lambda v: parse_qs(_url(v).query, keep_blank_values=True),
    ),
    Function("find", "string_find_string", ("string", "string"), "string", _find, True),
    Function("findAll", "string_find_all_string", ("string", "string"), "list<string>", _find_all, True),
    Function("findAll", "string_find_all_string_int", ("string", "string", "int"), "list<string>", _find_all, True),
    Function("semver", "string_to_semver", ("string",), "semver", _semver),
    Function("semver", "string_bool_to_semver", ("string", "bool"), "semver", _semver),
    Function("isSemver", "is_semver_string", ("string",), "bool", _is_semver),
    Function("isSemver", "is_semver_string_bool", ("string", "bool"), "bool", _is_semver),
    _of_semver("isGreaterThan", "semver_is_greater_than", "bool", lambda a, b: _rank(a) > _rank(b), "semver"),
    _of_semver("isLessThan", "semver_is_less_than", "bool", lambda a, b: _rank(a) < _rank(b), "semver"),
    _of_semver(
        "compareTo", "semver_compare_to", "int", lambda a, b: (_rank(a) > _rank(b)) - (_rank(a) < _rank(b)), "semver"
    ),
    _of_semver("major", "semver_major", "int", lambda v: _rank(v)[0]),
    _of_semver("minor", "semver_minor", "int", lambda v: _rank(v)[1]),
    _of_semver("patch", "semver_patch", "int", lambda v: _rank(v)[2]),
)
