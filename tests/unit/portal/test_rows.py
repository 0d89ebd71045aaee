"""The table: what a row says, and that filters, sorting and pages agree with the address."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from mnist_portal.rows import COLUMNS, PAGE, PHASES, Query, RowCache, made_by, row_of, table_of


def training(name: str = "mnist", namespace: str = "lab", version: int = 1, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "resourceVersion": str(version)}
    return {
        "metadata": {**metadata, "creationTimestamp": f"2026-01-01T00:00:{version % 60:02d}Z"},
        "spec": {"workers": {"replicas": 2}}, "status": status,
    }  # fmt: skip


def test_a_training_that_nobody_has_seen_waits_and_says_so() -> None:
    row = row_of(training())
    assert (row.phase, row.message) == ("Pending", "No operator has seen it yet.")


def test_the_result_counts_more_than_the_last_report() -> None:
    report = {"attempt": 1, "state": "Succeeded", "accuracy": 0.91, "workers": 2}
    row = row_of(training(phase="Succeeded", attempt=1, training=report, result={"accuracy": 0.97}))
    assert row.accuracy == 0.97
    assert row.share == 1.0


def test_a_report_of_a_former_attempt_says_nothing() -> None:
    report = {"attempt": 1, "state": "Training", "accuracy": 0.91, "progressPercent": 70}
    row = row_of(training(phase="Running", attempt=2, training=report))
    assert row.accuracy is None
    assert row.share == 0


def test_who_made_it_is_the_first_manager_of_the_object_and_not_of_its_status() -> None:
    obj = training()
    obj["metadata"]["managedFields"] = [
        {"manager": "mnist-operator", "subresource": "status", "time": "2025-12-31T00:00:00Z"},
        {"manager": "mnistctl", "time": "2026-01-02T00:00:00Z"},
        {"manager": "kubectl-create", "time": "2026-01-01T00:00:00Z"},
    ]
    assert made_by(obj) == "kubectl-create"


QUERIES = st.builds(
    Query,
    text=st.sampled_from(["", "a", "run-1", "ä & b=c"]),
    phase=st.sampled_from(["", *PHASES]),
    namespace=st.sampled_from(["", "lab", "other"]),
    sort=st.sampled_from([sign + column for sign in ("", "-") for column in COLUMNS]),
    page=st.integers(1, 5),
)


@given(QUERIES)
def test_the_address_holds_the_whole_query(query: Query) -> None:
    assert Query.of(dict(parse_qsl(query.link(page=query.page).removeprefix("?")))) == query


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=5))
def test_any_address_is_a_query(values: dict[str, str]) -> None:
    query = Query.of(values)
    assert query.page >= 1
    assert query.sort.removeprefix("-") in COLUMNS


ROWS = st.lists(
    st.builds(
        lambda name, phase: row_of(training(name, phase=phase)),
        st.from_regex(r"[a-z]{1,3}", fullmatch=True),
        st.sampled_from(PHASES),
    ),
    max_size=250,
)


@given(ROWS, QUERIES)
def test_pages_together_hold_each_found_row_once_in_order(rows: list[Any], query: Query) -> None:
    first = table_of(rows, Query(query.text, query.phase, query.namespace, query.sort))
    pages = [
        table_of(rows, Query(query.text, query.phase, query.namespace, query.sort, number)).rows
        for number in range(1, first.pages + 1)
    ]
    shown = [row for page in pages for row in page]
    assert len(shown) == first.found
    assert all(len(page) <= PAGE for page in pages)
    key = COLUMNS[query.sort.removeprefix("-")]
    assert [key(row) for row in shown] == sorted(map(key, shown), reverse=query.sort.startswith("-"))
    assert sum(first.counts.values()) >= first.found


def test_a_row_is_made_anew_only_for_a_new_state() -> None:
    cache = RowCache()
    first = cache.table([training(version=1)], Query()).rows[0]
    assert cache.table([training(version=1)], Query()).rows[0] is first
    assert cache.table([training(version=2, phase="Running")], Query()).rows[0].phase == "Running"


def test_rows_of_trainings_that_are_gone_are_forgotten() -> None:
    cache = RowCache()
    for number in range(0, 5000, 100):
        cache.table([training(f"t{number + i}") for i in range(100)], Query())
    assert len(cache._rows) <= 400
