"""Kubernetes quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_kube.quantity import canonical_quantity, format_bytes, format_count, parse_quantity, round_up


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
        (0.5, "0.5"),
    ],
)
def test_parse(text: str | float, value: float | str) -> None:
    assert parse_quantity(text) == Decimal(str(value))


@pytest.mark.parametrize("text", ["", "x", "1Zi", "1 Gi", "--1", "1.2.3", "1K", "NaN", "1_0", "1e999999999", "\u0661"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "value"), [("1500m", 2), ("1", 1), ("1m", 1), ("0", 0)])
def test_round_up(text: str, value: int) -> None:
    assert round_up(text) == value


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("1.5Gi", "1536Mi"), ("1024Ki", "1Mi"), ("0.5Gi", "512Mi"), ("0", "0"),
        ("0Gi", "0"), ("-1.5Gi", "-1536Mi"), ("1500m", "1500m"), ("1000k", "1M"), ("1e3", "1e3"), ("1E3", "1e3"),
        ("1E", "1E"), ("0.1n", "1n"), ("100Ki", "100Ki"), ("0.5Ki", "512"), ("12e-1", "1200e-3"),
    ],
)  # fmt: skip
def test_the_form_in_which_go_writes_it(given_: str, kept: str) -> None:
    assert canonical_quantity(given_) == kept


@given(st.integers(0, 10**9))
def test_counts_survive_formatting(thousandths: int) -> None:
    value = Decimal(thousandths) / 1000
    assert parse_quantity(format_count(value)) == value


@given(st.integers(0, 2**50))
def test_bytes_survive_formatting(count: int) -> None:
    assert parse_quantity(format_bytes(Decimal(count))) == count


@given(st.integers(0, 10**12), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi", "Gi", "e3", "e-3"]))
def test_the_canonical_form_is_worth_the_same_and_stays(number: int, suffix: str) -> None:
    text = canonical_quantity(f"{number}{suffix}")
    assert parse_quantity(text) == parse_quantity(f"{number}{suffix}")
    assert canonical_quantity(text) == text
