from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.schema.quantity import canonical_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1500m", Fraction(3, 2)),
        ("1Gi", 1024**3),
        ("1e3", 1000),
        ("-2k", -2000),
        (".5", Fraction(1, 2)),
        ("1E", 10**18),
    ],
)
def test_values(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "1 Gi", "1K", "Gi", "1,5", "1ee3", "0x1", "\uff11"])
def test_refused(text):
    with pytest.raises(ValueError):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("100000", "100k"),
        ("1e3", "1e3"),
        ("0.1Gi", "107374182400m"),
        ("0", "0"),
        ("512", "512"),
    ],
)
def test_canonical_form_is_the_api_servers(text, canonical):
    assert canonical_quantity(text) == canonical


@given(st.integers(-(10**6), 10**6), st.sampled_from(["", "m", "k", "M", "Gi", "Ki", "e3", "u"]))
def test_canonical_form_keeps_the_value_and_is_stable(number, suffix):
    canonical = canonical_quantity(f"{number}{suffix}")
    assert parse_quantity(canonical) == parse_quantity(f"{number}{suffix}")
    assert canonical_quantity(canonical) == canonical
