"""Arithmetic on Kubernetes quantities ("500m", "1Gi")."""

import re
from decimal import ROUND_CEILING, ROUND_UP, Decimal

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_PATTERN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?")


def parse(text: str | float) -> Decimal:
    """The number that a quantity stands for. Raises ValueError for anything else."""
    match = _PATTERN.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    number, binary, decimal, exponent = match.groups()
    if binary:
        return Decimal(number) * _BINARY[binary]
    return Decimal(number).scaleb(int(exponent) if exponent else _DECIMAL[decimal or ""])


def round_up(text: str | float) -> int:
    """The least integer that is not below the quantity, as `Quantity.Value()` of Kubernetes."""
    return int(parse(text).to_integral_value(ROUND_CEILING))


def canonical(text: str | float) -> str:
    """The form in which Go writes a quantity: "1000m" is "1", "0.5" is "500m", "1.5Gi" is "1536Mi"."""
    value = parse(text)
    if str(text).endswith("i") and abs(value) >= 1024 and value == value.to_integral_value():
        return format_bytes(value)
    nano = int((value * 10**9).to_integral_value(ROUND_UP))
    exponent = -9
    while nano and exponent < 18 and nano % 1000 == 0:
        nano, exponent = nano // 1000, exponent + 3
    if not nano:
        return "0"
    if re.fullmatch(r".*[eE][+-]?\d+", str(text)) and exponent:
        return f"{nano}e{exponent}"
    return f"{nano}{next(suffix for suffix, power in _DECIMAL.items() if power == exponent)}"


def format_count(value: Decimal) -> str:
    """Canonical decimal form of a count such as CPUs: "2", "400m"."""
    if value == value.to_integral_value():
        return str(int(value))
    return f"{int((value * 1000).to_integral_value(ROUND_CEILING))}m"


def format_bytes(value: Decimal) -> str:
    """Canonical binary form of an amount of memory: the largest unit that divides it, "1536Mi"."""
    number = int(value.to_integral_value(ROUND_CEILING))
    for unit, size in reversed(_BINARY.items()):
        if number and number % size == 0:
            return f"{number // size}{unit}"
    return str(number)
