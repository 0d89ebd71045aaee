"""Rules for names, label keys and label values; each check returns the sentences of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

NameCheck = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*"

_LABEL_RE = re.compile(_LABEL)
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_DNS1035_RE = re.compile(_DNS1035)
_QUALIFIED_RE = re.compile(_QUALIFIED)
_VALUE_RE = re.compile(_VALUE)
_CONFIG_KEY_RE = re.compile(_CONFIG_KEY)
_ENV_NAME_RE = re.compile(_ENV_NAME)

_ALNUM_ENDS = "and must start and end with an alphanumeric character"


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def _pattern(sentence: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{sentence} (e.g. {shown}regex used for validation is '{pattern}')"


def dns_label(value: str) -> list[str]:
    """Check an RFC 1123 label, at most 63 bytes."""
    out = [_too_long(63)] if len(value) > 63 else []
    if not _LABEL_RE.fullmatch(value):
        if _SUBDOMAIN_RE.fullmatch(value):
            return [*out, "must not contain dots"]
        sentence = (
            f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ALNUM_ENDS}"
        )
        out.append(_pattern(sentence, _LABEL, "my-name", "123-abc"))
    return out


def dns_subdomain(value: str) -> list[str]:
    """Check an RFC 1123 subdomain, at most 253 bytes."""
    out = [_too_long(253)] if len(value) > 253 else []
    if not _SUBDOMAIN_RE.fullmatch(value):
        sentence = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            + _ALNUM_ENDS
        )
        out.append(_pattern(sentence, _SUBDOMAIN, "example.com"))
    return out


def dns1035_label(value: str) -> list[str]:
    """Check an RFC 1035 label (a letter first), at most 63 bytes."""
    out = [_too_long(63)] if len(value) > 63 else []
    if not _DNS1035_RE.fullmatch(value):
        sentence = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character"
        )
        out.append(_pattern(sentence, _DNS1035, "my-name", "abc-123"))
    return out


def path_segment(value: str) -> list[str]:
    """Check a name that only has to fit into a path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def qualified_name(value: str) -> list[str]:
    """Check a label key, annotation key or finalizer: `[prefix/]name`."""
    parts = value.split("/")
    sentence = f"must consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS}"
    rule = _pattern(sentence, _QUALIFIED, "MyName", "my.name", "123-abc")
    if len(parts) > 2:
        return [f"a valid label key {rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    out: list[str] = []
    if len(parts) == 2:
        out = ["prefix part " + text for text in dns_subdomain(parts[0])] if parts[0] else [
            "prefix part must be non-empty"
        ]  # fmt: skip
    name = parts[-1]
    if not name:
        out.append("name part must be non-empty")
    elif len(name) > 63:
        out.append("name part " + _too_long(63))
    if not _QUALIFIED_RE.fullmatch(name):
        out.append("name part " + rule)
    return out


def label_value(value: str) -> list[str]:
    """Check a label's value, at most 63 bytes."""
    out = [_too_long(63)] if len(value) > 63 else []
    if not _VALUE_RE.fullmatch(value):
        sentence = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            + _ALNUM_ENDS
        )
        out.append(_pattern(sentence, _VALUE, "MyValue", "my_value", "12345"))
    return out


def config_key(value: str) -> list[str]:
    """Check a key of a ConfigMap or Secret."""
    out = [_too_long(253)] if len(value) > 253 else []
    if not _CONFIG_KEY_RE.fullmatch(value):
        sentence = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        out.append(_pattern(sentence, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        out.append(f"must not be '{value}'")
    elif value.startswith(".."):
        out.append("must not start with '..'")
    return out


def namespace_name(value: str) -> list[str]:
    """Check a namespace's name."""
    return dns_label(value)


NAME_CHECKS: dict[str, NameCheck] = {
    "namespaces": dns_label,
    "services": dns1035_label,
    "roles.rbac.authorization.k8s.io": path_segment,
    "clusterroles.rbac.authorization.k8s.io": path_segment,
    "rolebindings.rbac.authorization.k8s.io": path_segment,
    "clusterrolebindings.rbac.authorization.k8s.io": path_segment,
}
"""The check of each table's names; all others are subdomains."""


def check_of(table: str) -> NameCheck:
    """Return the check of a table's names."""
    return NAME_CHECKS.get(table, dns_subdomain)
