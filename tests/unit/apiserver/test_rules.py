"""RBAC rules: what they allow, and whether some cover others."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.auth.rules import allows_path, allows_resource, compact, describe, uncovered

VERBS, GROUPS, RESOURCES, NAMES = ["get", "list"], ["", "apps"], ["pods", "pods/log", "secrets"], ["a", "b"]


def some(values: list[str], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True)


rules = st.fixed_dictionaries(
    {
        "verbs": some([*VERBS, "*"]),
        "apiGroups": some([*GROUPS, "*"]),
        "resources": some([*RESOURCES, "*", "*/log"]),
        "resourceNames": some(NAMES, 0),
    }
)


def allowed(held: list[dict], verb: str, group: str, resource: str, name: str) -> bool:
    plural, _, sub = resource.partition("/")
    return any(allows_resource(rule, verb, group, plural, sub, name) for rule in held)


@given(st.lists(rules, max_size=3), st.lists(rules, max_size=3))
def test_who_covers_rules_is_allowed_all_they_allow(held: list[dict], wanted: list[dict]) -> None:
    if uncovered(held, wanted):
        return
    for question in itertools.product(VERBS, GROUPS, RESOURCES, [*NAMES, ""]):
        if allowed(wanted, *question):
            assert allowed(held, *question), question


@given(st.lists(rules, max_size=3))
def test_rules_cover_themselves(held: list[dict]) -> None:
    assert uncovered(held, held) == []
    assert uncovered([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], held) == []


def test_names_narrow_a_rule() -> None:
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}
    assert allows_resource(rule, "get", "", "secrets", "", "a")
    assert not allows_resource(rule, "get", "", "secrets", "", "b")
    assert not allows_resource(rule, "get", "", "secrets", "", "")
    assert not allows_resource(rule, "get", "", "secrets", "status", "a")


def test_paths_end_in_a_star() -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": ["/api/*", "/version"]}
    assert allows_path(rule, "get", "/api/v1")
    assert allows_path(rule, "get", "/version")
    assert not allows_path(rule, "get", "/apis")
    assert not allows_path(rule, "post", "/version")


def test_what_is_missing_is_told_by_resource() -> None:
    wanted = [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["x"]}]
    missing = compact(uncovered([], wanted))
    assert [describe(rule) for rule in missing] == [
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["x"], Verbs:["get" "list"]}'
    ]
