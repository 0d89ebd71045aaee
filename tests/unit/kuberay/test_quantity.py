"""Kubernetes quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.kuberay import quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("100m", "0.1"),
        ("1Gi", 2**30),
        ("1.5Mi", 1.5 * 2**20),
        ("2k", 2000),
        ("1e3", 1000),
        ("1E", 10**18),
        (3, 3),
    ],
)
def test_parse(text: str, value: float | str) -> None:
    assert quantity.parse(text) == Decimal(str(value))


@pytest.mark.parametrize("text", ["", "x", "1Zi", "1 Gi", "--1", "1.2.3"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(("text", "value"), [("1500m", 2), ("1", 1), ("1m", 1), ("0", 0)])
def test_round_up(text: str, value: int) -> None:
    assert quantity.round_up(text) == value


@given(st.integers(0, 10**9))
def test_counts_survive_formatting(thousandths: int) -> None:
    value = Decimal(thousandths) / 1000
    assert quantity.parse(quantity.format_count(value)) == value


@given(st.integers(0, 2**50))
def test_bytes_survive_formatting(count: int) -> None:
    assert quantity.parse(quantity.format_bytes(Decimal(count))) == count
