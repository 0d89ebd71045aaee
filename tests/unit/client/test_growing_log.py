"""A log that is read again and again as a whole is told once, in order, also when its oldest part is gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mnist_client.storedlogs import GrowingLog

LINES = st.lists(st.integers(0, 10**6), max_size=8)


@given(st.lists(LINES, max_size=6))
def test_every_line_once_and_in_order(writings: list[list[int]]) -> None:
    log, told, growing, number = b"", b"", GrowingLog(), 0
    for lines in writings:
        for line in lines:
            number += 1
            log += f"{number}: {line}\n".encode()
        told += growing.fresh(log)
    assert told == log


@given(st.lists(st.tuples(LINES.filter(bool), st.integers(0, 4)), max_size=6))
def test_also_when_the_beginning_is_rotated_away(writings: list[tuple[list[int], int]]) -> None:
    """As long as something of what was told is still there."""
    whole, log, told, growing, number = b"", b"", b"", GrowingLog(), 0
    for lines, rotated in writings:
        last_told = number
        for line in lines:
            number += 1
            whole += f"{number}: {line}\n".encode()
        kept = min(last_told - 1, rotated) if last_told else 0
        log = b"".join(whole.splitlines(keepends=True)[max(0, kept) :])
        told += growing.fresh(log)
    assert told == whole


def test_a_log_of_which_nothing_is_left_is_told_anew() -> None:
    growing = GrowingLog()
    assert growing.fresh(b"a long first log\n") == b"a long first log\n"
    assert growing.fresh(b"other\n") == b"other\n"
