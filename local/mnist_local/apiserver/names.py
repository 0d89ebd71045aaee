"""Rules for names, label keys and label values; each check returns the sentences of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

NameCheck = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_WIDE = "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"


def _rule(pattern: str, limit: int, sentence: str) -> NameCheck:
    compiled = re.compile(pattern)

    def check(value: str) -> list[str]:
        out = [f"must be no more than {limit} characters"] if len(value) > limit else []
        if not compiled.fullmatch(value):
            out.append(f"{sentence} (regex used for validation is '{pattern}')")
        return out

    return check


dns_label = _rule(
    _LABEL, 63, "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character",
)  # fmt: skip
dns_subdomain = _rule(
    _SUBDOMAIN, 253, "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
)  # fmt: skip
dns1035_label = _rule(
    "[a-z]([-a-z0-9]*[a-z0-9])?", 63, "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
)  # fmt: skip
label_value = _rule(f"({_QUALIFIED})?", 63, f"a valid label must be an empty string or consist of {_WIDE}")
config_key = _rule(
    r"(?!\.\.)[-._a-zA-Z0-9]+", 253, "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
)
_name_part = _rule(_QUALIFIED, 63, f"name part must consist of {_WIDE}")


def qualified_name(value: str) -> list[str]:
    """Check a label key, annotation key or finalizer: `[prefix/]name`."""
    prefix, slash, name = value.rpartition("/")
    out = ["prefix part " + text for text in dns_subdomain(prefix)] if slash else []
    return out + _name_part(name)


def _path_segment(value: str) -> list[str]:
    return [f"may not be '{value}'" for _ in "1" if value in (".", "..")] + [
        f"may not contain '{char}'" for char in "/%" if char in value
    ]


_RBAC = "rbac.authorization.k8s.io"
_CHECKS: dict[str, NameCheck] = {
    "namespaces": dns_label,
    "services": dns1035_label,
    **{
        f"{plural}.{_RBAC}": _path_segment
        for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    },
}


def check_of(table: str) -> NameCheck:
    """Return the check of a table's names; most are subdomains."""
    return _CHECKS.get(table, dns_subdomain)
