"""What a function costs. Source: the cost model of cel-go and of Kubernetes' CEL libraries (documented factors).

One unit is about 50 ns; going through a string costs a tenth per byte, a regular expression a quarter per byte of it.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from mnist_local.apiserver.schema.cel.ast import Expr, Type
from mnist_local.apiserver.schema.cel.estimate import INFINITE, ONE, UNKNOWN, ZERO, Call, Range, exactly

TRAVERSAL: Final = 0.1
REGEX: Final = 0.25
_LIST_COST: Final = exactly(10)
_IP_BYTES: Final = Range(4, 16)


class Argument(Protocol):
    """A call's target or argument, as the estimator sees it."""

    expr: Expr
    type: Type

    def size(self) -> Range:
        """How large it may be."""

    def element(self) -> "Argument | None":
        """An item of it, when it is a list of known type."""


Arguments = Sequence[Argument]
Estimate = Callable[[str, "Argument | None", Arguments], "Call | None"]


def _unit(_overload: str, _target: Argument | None, _args: Arguments) -> Call:
    return Call(ONE)


def _parse_text(_overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    return Call(args[0].size().scale(TRAVERSAL)) if args else None


def _url(_overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    return Call(args[0].size().scale(TRAVERSAL), args[0].size()) if args else None


def _ip(overload: str, target: Argument | None, args: Arguments) -> Call | None:
    return Call(ONE) if overload == "cidr_ip" else _parse_text(overload, target, args)


def _canonical(_overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    return Call(args[0].size().scale(2 * TRAVERSAL)) if args else None


def _map_text(_overload: str, target: Argument | None, _args: Arguments) -> Call | None:
    return Call(target.size().scale(TRAVERSAL), target.size()) if target is not None else None


def _traverse_list(_overload: str, target: Argument | None, _args: Arguments) -> Call | None:
    if target is None:
        return None
    element = target.element()
    if element is None:
        return Call(target.size().scale(TRAVERSAL))
    cost = ONE
    if element.type.kind in ("string", "bytes"):
        cost += element.size().scale(TRAVERSAL)
    return Call(target.size() * cost)


def _replace(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    if target is None or len(args) < 2:
        return None
    size, old, new = target.size(), args[0].size(), args[1].size()
    if old.min == 0:
        most = min(size.max + 1, INFINITE) * new.max + size.max
    else:
        most = size.max if new.max <= old.min else -(-size.max // old.min) * new.max
    if old.max == 0:
        least = (size.min + 1) * new.min + size.min
    else:
        least = size.min if old.max <= new.min else -(-size.min // old.max) * new.min
    return Call(size.scale(2 * TRAVERSAL), Range(min(least, INFINITE), min(most, INFINITE)))


def _split(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    if target is None:
        return None
    limit = args[1].expr.value if len(args) > 1 and args[1].expr.kind == "const" else None
    most = limit if isinstance(limit, int) and limit >= 0 else target.size().max
    return Call(target.size().scale(2 * TRAVERSAL), Range(0, most))


def _join(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    if target is None:
        return None
    count, element = target.size(), target.element()
    size = count * element.size() if element is not None else ZERO
    if args:
        size += args[0].size() * Range(max(count.min - 1, 0), max(count.max - 1, 0))
    return Call(size.scale(TRAVERSAL), size)


def _find(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    if target is None or not args:
        return None
    text = (target.size() + ONE).scale(TRAVERSAL)
    return Call(text * args[0].size().scale(REGEX), Range(0, target.size().max))


def _contains_ip(overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    cost = (_IP_BYTES + _IP_BYTES).scale(TRAVERSAL)
    if overload == "cidr_contains_ip_string":
        cost += args[0].size().scale(TRAVERSAL)
    return Call(cost)


def _contains_cidr(overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    cost = (_IP_BYTES + _IP_BYTES).scale(TRAVERSAL) + _IP_BYTES.scale(TRAVERSAL) + ONE
    if overload == "cidr_contains_cidr_string":
        cost += args[0].size().scale(TRAVERSAL)
    return Call(cost)


def _sets(factor: int) -> Estimate:
    def estimate(_overload: str, _target: Argument | None, args: Arguments) -> Call | None:
        return Call((args[0].size() * args[1].size()).scale(factor) + ONE) if len(args) == 2 else None

    return estimate


def _new_list(factor: float, size: Range) -> Call:
    return Call(size.scale(factor) + ONE + _LIST_COST, size)


def _reverse(_overload: str, target: Argument | None, _args: Arguments) -> Call | None:
    return _new_list(1, target.size()) if target is not None else None


def _constant(argument: Argument, otherwise: int) -> int:
    value = argument.expr.value if argument.expr.kind == "const" else None
    return value if isinstance(value, int) and value >= 0 else otherwise


def _slice(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    if target is None or len(args) != 2:
        return None
    return _new_list(1, exactly(max(_constant(args[1], target.size().max) - _constant(args[0], 0), 0)))


def _range(_overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    return _new_list(1, exactly(_constant(args[0], INFINITE))) if args else None


def _compare_all(_overload: str, target: Argument | None, _args: Arguments) -> Call | None:
    if target is None:
        return None
    element = target.element()
    is_text = element is not None and element.type.kind in ("string", "bytes")
    return _new_list(2 + TRAVERSAL if is_text else 2, target.size() * target.size())


def _flatten(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    depth = args[0].expr.value if args and args[0].expr.kind == "const" else 1
    return _new_list(depth, target.size()) if target is not None else None


BY_NAME: Final[dict[str, Estimate]] = {
    "sets.contains": _sets(1),
    "sets.intersects": _sets(1),
    "sets.equivalent": _sets(2),
    "reverse": _reverse,
    "slice": _slice,
    "lists.range": _range,
    "distinct": _compare_all,
    "sort": _compare_all,
    "flatten": _flatten,
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _traverse_list),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _map_text),
    **dict.fromkeys(("quantity", "isQuantity", "semver", "isSemver", "cidr", "isIP", "isCIDR"), _parse_text),
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(
        (
            *("masked", "prefixLength", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast"),
            *("isLinkLocalUnicast", "isGlobalUnicast", "sign", "asInteger", "isInteger", "asApproximateFloat"),
            *("isGreaterThan", "isLessThan", "compareTo", "add", "sub", "major", "minor", "patch"),
            *("getScheme", "getHostname", "getHost", "getPort", "getEscapedPath", "getQuery"),
        ),
        _unit,
    ),
    "url": _url,
    "ip": _ip,
    "ip.isCanonical": _canonical,
    "replace": _replace,
    "split": _split,
    "join": _join,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
}
"""Kubernetes' own functions and those it prices itself, by function name."""


def _affix(_overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    return Call(args[0].size().scale(TRAVERSAL)) if args else None


def _in_list(_overload: str, _target: Argument | None, args: Arguments) -> Call | None:
    return Call(args[1].size()) if len(args) == 2 else None


def _matches(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    if target is None:
        return None
    return Call((target.size() + ONE).scale(TRAVERSAL) * args[0].size().scale(REGEX))


def _contains(_overload: str, target: Argument | None, args: Arguments) -> Call | None:
    if target is None:
        return None
    return Call(target.size().scale(TRAVERSAL) * args[0].size().scale(TRAVERSAL))


def _concatenate(overload: str, _target: Argument | None, args: Arguments) -> Call:
    size = args[0].size() + args[1].size()
    return Call(ONE if overload == "add_list" else size.scale(TRAVERSAL), size)


def _compare(_overload: str, _target: Argument | None, args: Arguments) -> Call:
    smaller = min(args[0].size().max, args[1].size().max)
    return Call(Range(min(smaller, 1), smaller).scale(TRAVERSAL))


def _to_bytes(_overload: str, _target: Argument | None, args: Arguments) -> Call:
    size = args[0].size()
    return Call(size.scale(TRAVERSAL), Range(size.min, min(size.max * 4, INFINITE)))


def _to_string(_overload: str, _target: Argument | None, args: Arguments) -> Call:
    size = args[0].size()
    return Call(size.scale(TRAVERSAL), Range(size.min // 4, size.max))


def _format(_overload: str, target: Argument | None, _args: Arguments) -> Call:
    return Call((target.size() if target is not None else UNKNOWN).scale(TRAVERSAL))


BY_OVERLOAD: Final[dict[str, Estimate]] = {
    "starts_with_string": _affix,
    "ends_with_string": _affix,
    "in_list": _in_list,
    "matches_string": _matches,
    "contains_string": _contains,
    "string_to_bytes": _to_bytes,
    "bytes_to_string": _to_string,
    "string_format": _format,
    **dict.fromkeys(("add_string", "add_bytes", "add_list"), _concatenate),
    **dict.fromkeys(
        (
            *("equals", "not_equals", "less_string", "less_equals_string", "greater_string", "greater_equals_string"),
            *("less_bytes", "less_equals_bytes", "greater_bytes", "greater_equals_bytes"),
        ),
        _compare,
    ),
}
"""The standard functions that do not cost one unit, by overload."""
