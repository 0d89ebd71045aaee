"""quantity(), isQuantity() and their methods."""

from fractions import Fraction
from typing import Any, Final

from mnist_local.apiserver.schema.cel.functions import Function, box, unbox
from mnist_local.apiserver.schema.quantity import parse_quantity

_INT64: Final = range(-(2**63), 2**63)


def _value(quantity: dict[str, str]) -> Fraction:
    return Fraction(unbox("quantity", quantity))


def _box(value: Fraction) -> dict[str, str]:
    return box("quantity", str(value))


def _quantity(text: str) -> dict[str, str]:
    return _box(parse_quantity(text))


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)


def _is_integer(value: Fraction) -> bool:
    return value.denominator == 1 and value.numerator in _INT64


def _as_integer(quantity: dict[str, str]) -> int:
    value = _value(quantity)
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return value.numerator


def _as_float(quantity: dict[str, str]) -> float:
    value = _value(quantity)
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _method(name: str, overload: str, result: str, implementation: Any, *parameters: str) -> Function:
    return Function(name, overload, ("quantity", *parameters), result, implementation, True)


FUNCTIONS: Final = (
    Function("quantity", "string_to_quantity", ("string",), "quantity", _quantity),
    Function("isQuantity", "is_quantity_string", ("string",), "bool", _is_quantity),
    Function("sign", "quantity_sign", ("quantity",), "int", lambda q: _sign(_value(q))),
    _method("isGreaterThan", "quantity_is_greater_than", "bool", lambda a, b: _value(a) > _value(b), "quantity"),
    _method("isLessThan", "quantity_is_less_than", "bool", lambda a, b: _value(a) < _value(b), "quantity"),
    _method("compareTo", "quantity_compare_to", "int", lambda a, b: _sign(_value(a) - _value(b)), "quantity"),
    _method("asApproximateFloat", "quantity_get_float", "double", _as_float),
    _method("asInteger", "quantity_get_int", "int", _as_integer),
    _method("isInteger", "quantity_is_integer", "bool", lambda q: _is_integer(_value(q))),
    _method("add", "quantity_add", "quantity", lambda a, b: _box(_value(a) + _value(b)), "quantity"),
    _method("add", "quantity_add_int", "quantity", lambda a, b: _box(_value(a) + b), "int"),
    _method("sub", "quantity_sub", "quantity", lambda a, b: _box(_value(a) - _value(b)), "quantity"),
    _method("sub", "quantity_sub_int", "quantity", lambda a, b: _box(_value(a) - b), "int"),
)
