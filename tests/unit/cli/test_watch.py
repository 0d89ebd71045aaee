"""The curve, the table, and what `watch` remembers."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mnist_cli.status import described
from mnist_cli.watch import Row, Table, sparkline

NOW = datetime(2026, 1, 1, 0, 2, 5, tzinfo=UTC)


def training(name: str = "mnist", phase: str = "Running", attempt: int = 1, **report: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "demo", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    status: dict[str, Any] = {"phase": phase, "attempt": attempt, "rayCluster": {"workers": "2/2"}}
    if report:
        status["training"] = {"attempt": 1, "state": "Training", **report}
    return {"metadata": metadata, "spec": {}, "status": status}


def shown(board: Table) -> str:
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    console.print(board.render(NOW))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_falling_loss_falls() -> None:
    assert sparkline([0.8, 0.4, 0.2, 0.1]) == "█▄▂▁"
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([]) == ""
    assert sparkline([math.nan, 1.0, math.inf, 0.0]) == "█▁"
    assert sparkline([4.0, 4.0, 0.0, 0.0], width=2) == "█▁"


@given(st.lists(st.floats(allow_nan=True, width=32), max_size=50), st.integers(1, 20))
def test_a_curve_has_a_bar_for_each_value_up_to_its_width(values: list[float], width: int) -> None:
    finite = [value for value in values if math.isfinite(value)]
    line = sparkline(values, width)
    assert len(line) == min(width, len(finite))
    assert set(line) <= set("▁▂▃▄▅▆▇█")
    if len(finite) <= width and len(set(finite)) > 1:
        assert line[finite.index(max(finite))] == "█"
        assert line[finite.index(min(finite))] == "▁"


def test_the_table() -> None:
    board = Table()
    figures = {"epochs": 5, "progressPercent": 40, "accuracy": 0.9712, "imagesPerSecond": 8312.4, "etaSeconds": 72}
    for epoch, loss in ((1, 0.9), (2, 0.123)):
        board.see("MODIFIED", training(epoch=epoch, loss=loss, updatedAt=f"t{epoch}", **figures))
    board.see("ADDED", {**training("other", "Pending"), "status": {"phase": "Pending", "message": "no Secret"}})
    lines = shown(board).splitlines()
    assert " ".join(lines[1].split()) == ("NAME PHASE EPOCH PROGRESS LOSS CURVE ACCURACY IMAGES/S LEFT WORKERS TRY AGE")
    row = next(line for line in lines if "Running" in line).split()
    assert row[:3] == ["mnist", "Running", "2/5"]
    assert row[4:] == ["40%", "0.123", "█▁", "97.12%", "8,312", "1m12s", "2/2", "1", "2m5s"]
    assert "other: no Secret" in lines
    board.see("DELETED", training("other"))
    assert "other" not in shown(board)


def test_an_empty_board_and_all_namespaces() -> None:
    board = Table(all_namespaces=True)
    assert "no MnistTrainings" in shown(board)
    board.see("ADDED", training())
    assert "NAMESPACE" in shown(board)


def test_a_report_counts_once_and_an_attempt_begins_another_curve() -> None:
    row = Row(training())
    for _ in range(3):
        row.see(training(loss=0.5, updatedAt="a"))
    row.see(training(loss=0.4, updatedAt="b"))
    assert list(row.losses) == [0.5, 0.4]
    again = training(attempt=2, loss=0.9, updatedAt="c")
    row.see(again)  # of the former attempt: no news
    again["status"]["training"]["attempt"] = 2
    row.see(again)
    assert list(row.losses) == [0.9]


def test_a_lost_worker_shows_until_its_epoch_is_made_up() -> None:
    lost = {"name": "mnist-x-worker-7k2p", "epoch": 3, "message": "Training goes on from the end of epoch 2."}
    board, hurt = Table(), training(epoch=3, epochs=5, lostWorkers=1, lastLostWorker=lost)
    hurt["status"]["lostWorkers"] = 1
    board.see("MODIFIED", hurt)
    assert "2/2 (1 lost)" in shown(board)
    note = "mnist: worker mnist-x-worker-7k2p was lost in epoch 3: Training goes on from the end of epoch 2."
    assert note in shown(board)
    assert f"  lost     1 worker(s); {note.removeprefix('mnist: ')}" in described(hurt)
    hurt["status"]["training"]["epoch"] = 4
    board.see("MODIFIED", hurt)
    assert "Training goes on" not in shown(board)
    assert "2/2 (1 lost)" in shown(board)


def printed(board: Table, width: int, encoding: str) -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=width, force_terminal=False)
    console.print(board.render(NOW))
    console.file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("width", [160, 100, 80, 60, 40])
def test_a_narrow_terminal_loses_columns_and_never_a_part_of_a_name(width: int, encoding: str) -> None:
    board = Table()
    figures = {"epochs": 50, "progressPercent": 40, "accuracy": 0.9712, "imagesPerSecond": 8312.4, "etaSeconds": 72}
    for epoch, loss in enumerate((0.9, 0.5, 0.1), 1):
        board.see("MODIFIED", training("compare-a", epoch=epoch, loss=loss, updatedAt=f"t{epoch}", **figures))
    board.see("ADDED", training("compare-another-one", "Provisioning"))
    text = printed(board, width, encoding)
    assert max(map(len, text.splitlines())) <= width
    assert all(word in text for word in ("NAME", "PHASE", "compare-a", "compare-another-one", "Provisioning"))
    assert ("CURVE" in text) == (width >= 160)
    assert ("ACCURACY" in text) == (width >= 80)
    assert "\u2026" not in text
    if width == 160:
        assert ("\u2588" if encoding == "utf-8" else "#=_") in text


def test_a_name_wider_than_the_terminal_goes_on_in_the_next_line() -> None:
    board = Table()
    board.see("ADDED", training("a" * 42, "Provisioning"))
    text = printed(board, 30, "ascii")
    assert text.count("a") == 42
    assert max(map(len, text.splitlines())) <= 30
