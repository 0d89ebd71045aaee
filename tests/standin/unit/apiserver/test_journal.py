"""What a server that was killed finds again: everything that it had answered for, and nothing else."""

import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver import journal as journals
from mnist_local.apiserver.journal import Journal, JournalError, read
from mnist_local.apiserver.store import Store

State = dict[tuple[str, tuple[str, str]], int]


def state_of(store: Store) -> State:
    return {(table.name, key): entry.rv for table in store.tables.values() for key, entry in table.objects.items()}


def opened(path: Path) -> tuple[Store, Journal]:
    store, journal = Store(), Journal(path)
    journal.attach(store)
    return store, journal


def write(store: Store, table: str, name: str, keep: bool) -> None:
    if keep:
        store.put(store.table(table), ("ns", name), {"metadata": {"name": name}})
    elif ("ns", name) in store.table(table).objects:
        store.remove(store.table(table), ("ns", name))


steps = st.lists(st.tuples(st.sampled_from(["a", "b.c"]), st.sampled_from("xyz"), st.booleans()), max_size=25)


@given(steps, st.integers(0, 40))
def test_wherever_it_is_cut_off_it_holds_a_state_that_was(written: list[tuple[str, str, bool]], cut: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        store, journal = opened(path)
        past = [(store.rv, state_of(store))]
        begin = path.stat().st_size
        for table, name, keep in written:
            write(store, table, name, keep)
            past.append((store.rv, state_of(store)))
        journal.close()
        whole = path.read_bytes()
        path.write_bytes(whole[: max(begin, len(whole) - cut)])
        again, journal = opened(path)
        assert (again.rv, state_of(again)) in past
        if not cut:
            assert (again.rv, state_of(again)) == past[-1]
        # What was cut off is out of the way: it goes on from there, and finds that too.
        write(again, "a", "later", True)
        journal.close()
        third, journal = opened(path)
        journal.close()
        assert (third.rv, state_of(third)) == (again.rv, state_of(again))


def test_versions_go_on_and_old_watches_are_told_to_start_again(tmp_path: Path) -> None:
    store, journal = opened(tmp_path / "journal")
    write(store, "t", "x", True)
    write(store, "t", "y", True)
    write(store, "t", "y", False)
    journal.close()
    again, journal = opened(tmp_path / "journal")
    assert again.rv == store.rv
    assert again.table("t").floor == store.rv
    write(again, "t", "x", True)
    assert again.rv == store.rv + 1
    assert [event.type for event in again.table("t").since(store.rv)] == ["MODIFIED"]
    journal.close()


def test_it_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_COMPACT_BYTES", 2_000)
    path = tmp_path / "journal"
    store, journal = opened(path)
    for _ in range(500):
        write(store, "t", "x", True)
    assert path.stat().st_size < 4_000
    journal.close()
    assert read(path)[0] == store.rv
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'["t","ns","x",5,{"metadata":{}}\n["t","ns","y",6,null]\n')
    with pytest.raises(JournalError, match=r"line 1, is damaged: remove the folder to start afresh"):
        Journal(path).attach(Store())


def test_a_line_that_the_disk_takes_in_parts_is_written_whole(tmp_path: Path) -> None:
    store, journal = opened(tmp_path / "journal")
    file = journal._file
    assert file is not None

    class Nearly:
        """A file of a disk that is nearly full: it takes a few bytes at a time, and says so."""

        def write(self, data: memoryview) -> int:
            return file.write(data[:7])

        close = file.close

    journal._file = Nearly()  # type: ignore[assignment]
    write(store, "t", "x", True)
    write(store, "t", "y", True)
    journal.close()
    again, journal = opened(tmp_path / "journal")
    assert state_of(again) == state_of(store)
    journal.close()
