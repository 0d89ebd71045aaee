from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.patch import fieldset

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"n":1}', "v:1"])
PATHS = st.sets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=12)


def test_form():
    fields = fieldset.from_paths([("f:spec", "f:a"), ("f:spec",), ("f:spec", fieldset.key({"n": "x"}), "f:v")])
    assert fields == {"f:spec": {".": {}, "f:a": {}, 'k:{"n":"x"}': {"f:v": {}}}}


def test_paths_in_messages():
    path = ("f:spec", "f:ports", fieldset.key({"port": 80, "name": "h"}), "f:x", fieldset.value("s"))
    assert fieldset.show(path) == '.spec.ports[name="h",port=80].x[="s"]'


@given(PATHS)
def test_a_set_is_its_paths(places):
    fields = fieldset.from_paths(places)
    assert fieldset.paths(fields) == places
    assert fieldset.paths(fieldset.ordered(fields)) == places
    assert all(fieldset.contains(fields, path) for path in places)


@given(PATHS, PATHS)
def test_discarding_is_a_difference(places, gone):
    fields = fieldset.from_paths(places)
    for path in gone:
        fieldset.discard(fields, path)
    assert fieldset.paths(fields) == places - gone
    assert bool(fields) == bool(places - gone), "what leads nowhere is gone too"


@given(PATHS, PATHS)
def test_inserting_is_a_union(places, more):
    fields = fieldset.from_paths(places)
    for path in more:
        fieldset.insert(fields, path)
    assert fieldset.paths(fields) == places | more
