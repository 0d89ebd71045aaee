"""Sets of places as `managedFields` keep them."""

from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.patch import places

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"n":1}', "v:1"])
PATHS = st.sets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=12)


def test_a_tree_holds_places_and_what_leads_to_them() -> None:
    found = places.tree([("f:spec", "f:a"), ("f:spec",), ("f:spec", 'k:{"n":"x"}', "f:v")])
    assert found == {"f:spec": {".": {}, "f:a": {}, 'k:{"n":"x"}': {"f:v": {}}}}


def test_messages_show_paths() -> None:
    path = ("f:spec", "f:ports", 'k:{"name":"h","port":80}', "f:x", 'v:"s"')
    assert places.show(path) == '.spec.ports[name="h",port=80].x[="s"]'


@given(PATHS, PATHS)
def test_a_tree_is_its_places(found: set[tuple[str, ...]], more: set[tuple[str, ...]]) -> None:
    tree = places.tree(found)
    assert set(places.paths(tree)) == found
    assert {path for path in found | more if places.contains(tree, path)} == found
    for path in more:
        places.insert(tree, path)
    assert set(places.paths(tree)) == found | more
