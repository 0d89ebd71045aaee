"""RBAC rules: what they allow, and whether some cover others."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.rbac import allows, uncovered
from mnist_local.apiserver.request import RequestInfo

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
    return any(allows(rule, RequestInfo(verb, group, plural, sub, name=name)) for rule in held)


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
    assert allows(rule, RequestInfo("get", "", "secrets", name="a"))
    assert not allows(rule, RequestInfo("get", "", "secrets", name="b"))
    assert not allows(rule, RequestInfo("get", "", "secrets"))
    assert not allows(rule, RequestInfo("get", "", "secrets", "status", name="a"))


def test_paths_end_in_a_star() -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": ["/api/*", "/version"]}
    for verb, path, holds in (
        ("get", "/api/v1", True), ("get", "/version", True), ("get", "/apis", False), ("post", "/version", False),
    ):  # fmt: skip
        assert allows(rule, RequestInfo(verb, path=path)) is holds, (verb, path)
