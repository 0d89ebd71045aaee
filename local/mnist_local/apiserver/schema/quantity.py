"""Kubernetes quantities ("1500m", "2Gi", "1e3"). Source: apimachinery's documented resource.Quantity grammar."""

import re
from fractions import Fraction
from typing import Final

_SUFFIXES: Final[dict[str, Fraction]] = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000 ** (i + 1)) for i, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Fraction(1024 ** (i + 1)) for i, suffix in enumerate("KMGTPE")},
}
_DECIMAL: Final = dict(zip(range(-9, 19, 3), ("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), strict=True))
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?\Z", re.ASCII)
_PATTERN_MESSAGE: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def parse_quantity(text: str) -> Fraction:
    """The value of a quantity, rounded up to whole nano units; raises ValueError for anything else."""
    matched = _QUANTITY.match(text)
    if matched is None:
        raise ValueError(_PATTERN_MESSAGE)
    number, suffix, exponent = matched.groups()
    if exponent is not None and abs(int(exponent)) > 400:
        raise ValueError("unable to parse quantity's suffix")
    value = Fraction(number) * (Fraction(10) ** int(exponent) if exponent is not None else _SUFFIXES[suffix or ""])
    nano = value * 10**9
    if nano.denominator != 1:
        whole = nano.numerator // nano.denominator
        value = Fraction(whole + 1 if nano > 0 else whole, 10**9)
    return value


def canonical_quantity(text: str) -> str:
    """The form in which the API server keeps a quantity: "1000m" is "1", "1.5Gi" is "1536Mi"."""
    value = parse_quantity(text)
    if value == 0:
        return "0"
    is_binary = text.endswith("i") and abs(value) >= 1024 and value.denominator == 1
    if is_binary:
        exponent = 0
        while exponent < 6 and value % 1024 == 0:
            value /= 1024
            exponent += 1
        return f"{value.numerator}{_BINARY[exponent]}"
    exponent = -9
    value *= 10**9
    while exponent < 18 and value % 1000 == 0:
        value /= 1000
        exponent += 3
    if "e" in text.lower().removesuffix("e") and not text.endswith("E"):
        return f"{value.numerator}e{exponent}" if exponent else str(value.numerator)
    return f"{value.numerator}{_DECIMAL[exponent]}"
