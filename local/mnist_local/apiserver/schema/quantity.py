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
