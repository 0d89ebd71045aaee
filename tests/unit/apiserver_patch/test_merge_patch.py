import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.patch import PatchError, merge_patch

# RFC 7396, appendix A (those whose target and result are objects).
RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

json = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=2), json, max_size=4)


@pytest.mark.parametrize(("target", "patch", "expected"), RFC)
def test_rfc_7396(target, patch, expected):
    assert merge_patch(target, patch) == expected


@pytest.mark.parametrize("patch", [[], "text", None, 1])
def test_a_patch_is_an_object(patch):
    with pytest.raises(PatchError) as refused:
        merge_patch({}, patch)
    assert refused.value.status_code == 400


@given(objects, objects)
def test_applying_twice_is_applying_once(obj, patch):
    once = merge_patch(obj, patch)
    assert merge_patch(once, patch) == once


@given(objects, objects)
def test_what_is_patched_is_there_and_the_rest_stays(obj, patch):
    merged = merge_patch(obj, patch)
    assert {k: v for k, v in merged.items() if k not in patch} == {k: v for k, v in obj.items() if k not in patch}
    for name, value in patch.items():
        if not isinstance(value, dict):
            assert merged[name] == value


@given(objects)
def test_the_result_shares_nothing_with_the_object(obj):
    merged = merge_patch(obj, {})
    for name, value in merged.items():
        if isinstance(value, dict | list):
            assert value is not obj[name]
