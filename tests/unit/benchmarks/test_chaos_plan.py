"""The plan of a chaos run: the same for the same seed, and fair to all kinds of faults."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from benchmarks.disturbance.plan import KINDS, Action, Fault, plan
from hypothesis import given
from hypothesis import strategies as st

seeds = st.integers(0, 2**32)
lengths = st.floats(0, 3600)


@given(seeds, lengths)
def test_the_same_seed_makes_the_same_plan(seed: int, seconds: float) -> None:
    assert plan(seed, seconds) == plan(seed, seconds)


def test_another_seed_makes_another_plan() -> None:
    assert plan(1, 300) != plan(2, 300)


@given(seeds, lengths, st.floats(1, 60))
def test_faults_lie_in_the_run_and_apart(seed: int, seconds: float, every: float) -> None:
    faults = plan(seed, seconds, every)
    times = [0.0, *(fault.at for fault in faults)]
    assert all(0.49 * every <= after - before <= 1.51 * every for before, after in pairwise(times))
    assert all(fault.at < seconds for fault in faults)
    assert times[-1] >= seconds - 1.51 * every
    assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))
    for fault in faults:
        assert fault.kind.least <= fault.seconds <= fault.kind.most
        assert (fault.seconds > 0) == (fault.kind.action is Action.STALL)


@given(seeds)
def test_no_kind_comes_again_before_all_others_have(seed: int) -> None:
    kinds = [fault.kind for fault in plan(seed, 1000)]
    counts = Counter(kinds)
    assert max(counts.values()) - min(counts[kind] for kind in KINDS) <= 1
    for begin in range(0, len(kinds) - len(KINDS), len(KINDS)):
        assert set(kinds[begin : begin + len(KINDS)]) == set(KINDS)


@given(st.floats(0, 1, exclude_max=True), st.lists(st.integers(), min_size=1))
def test_somebody_is_chosen(pick: float, candidates: list[int]) -> None:
    assert Fault(1, 0.0, KINDS[0], 0.0, pick).choose(candidates) in candidates
