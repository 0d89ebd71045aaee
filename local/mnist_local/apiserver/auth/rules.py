"""RBAC rules: what a PolicyRule allows, and whether one set of rules covers another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Rule = dict[str, Any]


def allows_resource(rule: Rule, verb: str, group: str, resource: str, subresource: str, name: str) -> bool:
    """Tell whether a rule allows a verb on a resource."""
    verbs = rule.get("verbs") or ()
    if verb not in verbs and "*" not in verbs:
        return False
    groups = rule.get("apiGroups") or ()
    if group not in groups and "*" not in groups:
        return False
    resources = rule.get("resources") or ()
    full = f"{resource}/{subresource}" if subresource else resource
    if full not in resources and "*" not in resources and not (subresource and f"*/{subresource}" in resources):
        return False
    names = rule.get("resourceNames")
    return not names or name in names


def allows_path(rule: Rule, verb: str, path: str) -> bool:
    """Tell whether a rule allows a verb on a non-resource path."""
    verbs = rule.get("verbs") or ()
    if verb not in verbs and "*" not in verbs:
        return False
    return any(_path_covers(url, path) for url in rule.get("nonResourceURLs") or ())


def _path_covers(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def break_down(rule: Rule) -> Iterator[Rule]:
    """Yield a rule as rules of one verb, group, resource and name (or path) each."""
    for verb in rule.get("verbs") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                base = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames") or ()
                yield from ({**base, "resourceNames": [name]} for name in names) if names else (base,)
        for url in rule.get("nonResourceURLs") or ():
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def _has_all(owned: Sequence[str], wanted: Iterable[str]) -> bool:
    return "*" in owned or all(one in owned for one in wanted)


def _covers(owned: Rule, wanted: Rule) -> bool:
    """Tell whether one rule covers another of a single verb, group, resource and name."""
    if not _has_all(owned.get("verbs") or (), wanted["verbs"]):
        return False
    if "nonResourceURLs" in wanted:
        return all(
            any(_path_covers(url, path) for url in owned.get("nonResourceURLs") or ())
            for path in wanted["nonResourceURLs"]
        )
    if not _has_all(owned.get("apiGroups") or (), wanted["apiGroups"]):
        return False
    resources = owned.get("resources") or ()
    for resource in wanted["resources"]:
        any_sub = f"*/{resource.partition('/')[2]}" if "/" in resource else resource
        if "*" not in resources and resource not in resources and any_sub not in resources:
            return False
    names = owned.get("resourceNames")
    wanted_names = wanted.get("resourceNames")
    return not names or (bool(wanted_names) and all(name in names for name in wanted_names or ()))


def uncovered(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return the single-purpose parts of `wanted` that no owned rule covers."""
    return [part for rule in wanted for part in break_down(rule) if not any(_covers(own, part) for own in owned)]


def compact(rules: Iterable[Rule]) -> list[Rule]:
    """Join single-purpose rules that differ in the verb alone, keeping their order."""
    joined: dict[tuple[Any, ...], Rule] = {}
    for rule in rules:
        key = tuple(
            tuple(rule.get(part, ())) for part in ("apiGroups", "resources", "resourceNames", "nonResourceURLs")
        )
        if key in joined:
            joined[key]["verbs"] = [*joined[key]["verbs"], *(v for v in rule["verbs"] if v not in joined[key]["verbs"])]
        else:
            joined[key] = dict(rule)
    return list(joined.values())


def describe(rule: Rule) -> str:
    """Return a rule as refusals show it."""
    parts = []
    for label, key in (
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("ResourceNames", "resourceNames"),
        ("Verbs", "verbs"),
    ):
        if values := rule.get(key):
            quoted = " ".join(f'"{value}"' for value in values)
            parts.append(f"{label}:[{quoted}]")
    return "{" + ", ".join(parts) + "}"
