"""How Kubernetes' own CEL functions are declared.

The runtime cannot carry values of foreign types, so a quantity, URL, IP, CIDR or version is, while an expression runs,
a map with one entry: its type's name and its canonical text. The checker sees the real, opaque types.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

OPAQUE: Final = {
    "quantity": "kubernetes.Quantity",
    "url": "kubernetes.URL",
    "semver": "kubernetes.Semver",
    "ip": "net.IP",
    "cidr": "net.CIDR",
}


@dataclass(frozen=True, slots=True)
class Function:
    """One overload. Types are CEL's names, "list<int>", or a key of `OPAQUE`."""

    name: str
    overload: str
    parameters: tuple[str, ...]
    result: str
    implementation: Callable[..., Any]
    member: bool = False


def box(kind: str, text: str) -> dict[str, str]:
    """A value of an opaque type, as expressions carry it."""
    return {OPAQUE[kind]: text}


def unbox(kind: str, value: dict[str, str]) -> str:
    """The canonical text of an opaque value; raises ValueError when it is of another type."""
    try:
        return value[OPAQUE[kind]]
    except KeyError:
        raise ValueError("no such overload") from None
