"""ip(), cidr() and their methods."""

import ipaddress
from typing import Any, Final

from mnist_local.apiserver.schema.cel.functions import Function, box, unbox

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _parse_ip(text: str) -> _Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"IP Address {text!r} parse error during conversion from string") from None
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address.scope_id is not None):
        raise ValueError(f"IP Address {text!r} with zone or IPv4-mapped value is not allowed")
    return address


def _parse_cidr(text: str) -> _Interface:
    if "/" not in text or not text.rpartition("/")[2].isdecimal():
        raise ValueError(f"network address parse error during conversion from string: {text!r}")
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"network address parse error during conversion from string: {text!r}") from None


def _succeeds(parse: Any) -> Any:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _ip(value: dict[str, str]) -> _Address:
    return ipaddress.ip_address(unbox("ip", value))


def _cidr(value: dict[str, str]) -> _Interface:
    return ipaddress.ip_interface(unbox("cidr", value))


def _contains_ip(outer: _Interface, address: _Address) -> bool:
    return address.version == outer.version and address in outer.network


def _contains_cidr(outer: _Interface, inner: _Interface) -> bool:
    if inner.version != outer.version or inner.network.prefixlen < outer.network.prefixlen:
        return False
    return inner.network.network_address in outer.network


def _is_canonical(text: str) -> bool:
    return str(_parse_ip(text)) == text


def _contains(outer: dict[str, str], inner: str | dict[str, str]) -> bool:
    return _contains_ip(_cidr(outer), _parse_ip(inner) if isinstance(inner, str) else _ip(inner))


def _contains_network(outer: dict[str, str], inner: str | dict[str, str]) -> bool:
    return _contains_cidr(_cidr(outer), _parse_cidr(inner) if isinstance(inner, str) else _cidr(inner))


def _is_global_unicast(address: _Address) -> bool:
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or address == ipaddress.IPv4Address("255.255.255.255")
    )


def _is_link_local_multicast(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 2


def _of_ip(name: str, overload: str, result: str, implementation: Any) -> Function:
    return Function(name, overload, ("ip",), result, implementation, True)


def _of_cidr(name: str, overload: str, result: str, implementation: Any, *parameters: str) -> Function:
    return Function(name, overload, ("cidr", *parameters), result, implementation, True)


FUNCTIONS: Final = (
    Function("ip", "string_to_ip", ("string",), "ip", lambda text: box("ip", str(_parse_ip(text)))),
    Function("isIP", "is_ip", ("string",), "bool", _succeeds(_parse_ip)),
    Function("ip.isCanonical", "ip_is_canonical", ("string",), "bool", _is_canonical),
    _of_ip("family", "ip_family", "int", lambda v: _ip(v).version),
    _of_ip("isUnspecified", "ip_is_unspecified", "bool", lambda v: _ip(v).is_unspecified),
    _of_ip("isLoopback", "ip_is_loopback", "bool", lambda v: _ip(v).is_loopback),
    _of_ip("isLinkLocalUnicast", "ip_is_link_local_unicast", "bool", lambda v: _ip(v).is_link_local),
    _of_ip("isLinkLocalMulticast", "ip_is_link_local_multicast", "bool", lambda v: _is_link_local_multicast(_ip(v))),
    _of_ip("isGlobalUnicast", "ip_is_global_unicast", "bool", lambda v: _is_global_unicast(_ip(v))),
    Function("cidr", "string_to_cidr", ("string",), "cidr", lambda text: box("cidr", str(_parse_cidr(text)))),
    Function("isCIDR", "is_cidr", ("string",), "bool", _succeeds(_parse_cidr)),
    _of_cidr("containsIP", "cidr_contains_ip_string", "bool", _contains, "string"),
    _of_cidr("containsIP", "cidr_contains_ip_ip", "bool", _contains, "ip"),
    _of_cidr("containsCIDR", "cidr_contains_cidr_string", "bool", _contains_network, "string"),
    _of_cidr("containsCIDR", "cidr_contains_cidr", "bool", _contains_network, "cidr"),
    _of_cidr("ip", "cidr_ip", "ip", lambda v: box("ip", str(_cidr(v).ip))),
    _of_cidr("prefixLength", "cidr_prefix_length", "int", lambda v: _cidr(v).network.prefixlen),
    _of_cidr("masked", "cidr_masked", "cidr", lambda v: box("cidr", str(_cidr(v).network))),
)
