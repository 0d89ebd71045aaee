"""Times and durations as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mnist_kube import times

MOMENT = datetime(2026, 11, 21, 7, 47, 31, 250000, tzinfo=timezone(timedelta(hours=2)))


def test_times_are_utc() -> None:
    assert times.timestamp(MOMENT) == "2026-11-21T05:47:31Z"
    assert times.micro_timestamp(MOMENT) == "2026-11-21T05:47:31.250000Z"
    assert times.from_unix(1.5) == "1970-01-01T00:00:01Z"


def test_what_was_written_is_read() -> None:
    assert times.parse(times.micro_timestamp(MOMENT)) == MOMENT
    assert times.parse("2026-11-21T05:47:31") == datetime(2026, 11, 21, 5, 47, 31, tzinfo=UTC)
    assert times.parse_time(times.timestamp(MOMENT)) == MOMENT.replace(microsecond=0)


@pytest.mark.parametrize("text", [None, "", "yesterday"])
def test_no_time_is_none_or_an_error(text: str | None) -> None:
    assert times.parse_time(text) is None
    with pytest.raises(ValueError, match="isoformat"):
        times.parse(text or "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-3, "0s"), (125, "2m5s"), (3600, "1h"), (90061, "1d1h"), (86405, "1d5s")]
)
def test_durations_have_two_units(seconds: int, text: str) -> None:
    assert times.format_duration(seconds) == text
