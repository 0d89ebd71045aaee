import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.patch import PatchError, json_patch
from mnist_local.apiserver.schema.node import copy

OBJ = {"metadata": {"uid": "u1"}, "spec": {"list": [1, 2], "map": {"a/b": 1, "c~d": 2}}}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/spec/list/-", "value": 3}], [1, 2, 3]),
        ([{"op": "add", "path": "/spec/list/0", "value": 0}], [0, 1, 2]),
        ([{"op": "remove", "path": "/spec/list/0"}], [2]),
        ([{"op": "replace", "path": "/spec/list/1", "value": 9}], [1, 9]),
        ([{"op": "move", "from": "/spec/list/0", "path": "/spec/list/1"}], [2, 1]),
        ([{"op": "copy", "from": "/spec/list/0", "path": "/spec/list/-"}], [1, 2, 1]),
        ([{"op": "test", "path": "/metadata/uid", "value": "u1"}], [1, 2]),
        ([{"op": "test", "path": "/spec/absent", "value": None}], [1, 2]),
    ],
)
def test_operations(operations, expected):
    before = copy(OBJ)
    assert json_patch(OBJ, operations)["spec"]["list"] == expected
    assert before == OBJ


def test_pointer_escapes():
    patch = [{"op": "remove", "path": "/spec/map/a~1b"}, {"op": "remove", "path": "/spec/map/c~0d"}]
    assert json_patch(OBJ, patch)["spec"]["map"] == {}


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ([{"op": "test", "path": "/metadata/uid", "value": "other"}], 422),
        ([{"op": "test", "path": "/spec/list/0", "value": True}], 422),
        ([{"op": "test", "path": "/spec/absent", "value": 1}], 422),
        ([{"op": "remove", "path": "/spec/absent"}], 422),
        ([{"op": "add", "path": "/absent/deep", "value": 1}], 422),
        ([{"op": "add", "path": "/spec/list/9", "value": 1}], 422),
        ([{"op": "replace", "path": "/spec/list/x", "value": 1}], 422),
        ([{"op": "frobnicate", "path": "/spec"}], 422),
        ([{"op": "add"}], 422),
        ({"op": "add"}, 400),
        (["add"], 400),
        ("text", 400),
        ([{"op": "test", "path": "/metadata/uid", "value": "u1"}] * 10_001, 413),
    ],
)
def test_refusals(patch, status):
    with pytest.raises(PatchError) as refused:
        json_patch(OBJ, patch)
    assert refused.value.status_code == status


def test_a_refusal_does_not_quote_the_object():
    with pytest.raises(PatchError) as refused:
        json_patch({"data": {"password": "hunter2"}}, [{"op": "add", "path": "/nope/x", "value": 1}])
    assert "hunter2" not in refused.value.message


def test_a_failed_test_leaves_nothing_half_done():
    obj = {"a": [1]}
    with pytest.raises(PatchError):
        json_patch(obj, [{"op": "add", "path": "/a/-", "value": 2}, {"op": "test", "path": "/a/0", "value": 7}])
    assert obj == {"a": [1]}


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=4))
def test_the_empty_patch_changes_nothing(obj):
    assert json_patch(obj, []) == obj
