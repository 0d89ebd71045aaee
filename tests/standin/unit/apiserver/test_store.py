"""Versions, the bounded log of changes, and what a watcher with a selection sees."""

from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.kinds import builtin_resources
from mnist_local.apiserver.selectors import selection
from mnist_local.apiserver.store import Store, Table
from mnist_local.apiserver.watch import Watcher


def put(store: Store, table: Table, name: str, **labels: str) -> int:
    return store.put(table, ("ns", name), {"metadata": {"name": name, "labels": labels}}).rv


def test_versions_are_counted_over_all_tables() -> None:
    store = Store()
    first = put(store, store.table("a"), "x")
    assert put(store, store.table("b"), "x") == first + 1
    assert store.remove(store.table("a"), ("ns", "x")).rv == first + 2


def test_the_log_forgets_the_oldest() -> None:
    store = Store()
    table = store.tables["t"] = Table("t", store.rv, window=3)
    versions = [put(store, table, "x") for _ in range(5)]
    assert table.floor == versions[1]
    assert [event.rv for event in table.since(versions[1])] == versions[2:]
    assert [event.type for event in table.since(versions[3])] == ["MODIFIED"]


names = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(st.booleans(), names), max_size=40))
def test_the_past_is_found_by_undoing_changes(steps: list[tuple[bool, str]]) -> None:
    store = Store()
    table = store.table("t")
    past: dict[int, set[tuple[str, int]]] = {store.rv: set()}
    for keep, name in steps:
        if keep:
            put(store, table, name)
        elif ("ns", name) in table.objects:
            store.remove(table, ("ns", name))
        past[store.rv] = {(key[1], entry.rv) for key, entry in table.objects.items()}
        assert table.keys == sorted(table.objects)
    for version, objects in past.items():
        assert {(key[1], entry.rv) for key, entry in table.at(version).items()} == objects


@given(st.lists(st.sampled_from(["in", "out", "gone"]), max_size=30))
def test_a_watcher_sees_its_selection_as_if_there_were_nothing_else(states: list[str]) -> None:
    store = Store()
    table = store.table("t")
    watcher = Watcher("ns", "", selection(builtin_resources()[0], {"labelSelector": "k=in"}))
    table.listeners.add(watcher)
    seen: dict[str, int] = {}
    for state in states:
        if state == "gone":
            if ("ns", "x") in table.objects:
                store.remove(table, ("ns", "x"))
        else:
            put(store, table, "x", k=state)
        while watcher.queue:
            kind, entry = watcher.queue.popleft()
            assert kind == ("DELETED" if kind == "DELETED" else "MODIFIED" if "x" in seen else "ADDED")
            if kind == "DELETED":
                assert "x" in seen
                del seen["x"]
            else:
                seen["x"] = entry.rv
        expected = {"x": table.objects["ns", "x"].rv} if state == "in" else {}
        assert seen == expected


def test_a_watcher_that_does_not_read_is_cut_off() -> None:
    store = Store()
    table = store.table("t")
    watcher = Watcher(None, "", None)
    table.listeners.add(watcher)
    for _ in range(20_010):
        put(store, table, "x")
    assert watcher.overrun
    assert len(watcher.queue) == 20_000
