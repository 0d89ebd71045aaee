"""Which warnings about a training's pods a person is told."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_client.events import passes_by_itself


def event(reason: str, count: int = 1, first: str = "10:00:00", last: str = "10:00:00") -> dict[str, Any]:
    """As the kubelet's events look in events.k8s.io/v1."""
    return {
        "reason": reason,
        "type": "Warning",
        "deprecatedCount": count,
        "deprecatedFirstTimestamp": f"2026-01-01T{first}Z",
        "deprecatedLastTimestamp": f"2026-01-01T{last}Z",
    }


PASSES = {
    "a head that starts": event("Unhealthy", 3, "10:00:10", "10:00:20"),
    "a head that ends": event("Unhealthy"),
    "once at the start and once at the end": event("Unhealthy", 4, "10:00:10", "10:40:00"),
    "no times at all": {"reason": "Unhealthy", "type": "Warning", "eventTime": None},
    "the node's name servers": event("DNSConfigForming", 40, "10:00:00", "10:40:00"),
}
STAYS = {
    "no image": event("Failed"),
    "no room": event("FailedScheduling"),
    "crash loop": event("BackOff", 2),
    "probes that fail for minutes": event("Unhealthy", 25, "10:00:10", "10:02:15"),
    "probes in a series": {
        "reason": "Unhealthy",
        "eventTime": "2026-01-01T10:00:00.000000Z",
        "series": {"count": 30, "lastObservedTime": "2026-01-01T10:02:30.000000Z"},
    },
}


@pytest.mark.parametrize("seen", PASSES.values(), ids=PASSES)
def test_what_passes_by_itself_is_not_told(seen: dict[str, Any]) -> None:
    assert passes_by_itself(seen)


@pytest.mark.parametrize("seen", STAYS.values(), ids=STAYS)
def test_what_stays_is_told(seen: dict[str, Any]) -> None:
    assert not passes_by_itself(seen)
