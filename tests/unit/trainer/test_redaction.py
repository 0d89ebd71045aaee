"""Nothing that the user's code prints carries a secret that this process knows, in whatever form."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.code import words
from mnist_trainer.code.redaction import Redaction

SECRET = "wJalrXUt/nFEMI+K7MDENG=="
ENV = {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE1", "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    "form",
    [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode(), "AKIAEXAMPLE1", f"{ENV}"],
)
def test_known_values_are_struck_out_in_every_form(form: str) -> None:
    printed = Redaction.of_environment(ENV)(f"before {form} after")
    assert SECRET not in printed
    assert "AKIAEXAMPLE1" not in printed
    assert form not in printed
    assert printed.startswith("before ")
    assert printed.endswith(" after")
    assert "us-east-1" in Redaction.of_environment(ENV)("us-east-1")


@given(
    st.binary(max_size=9), st.text(st.characters(codec="ascii", min_codepoint=33), min_size=12), st.binary(max_size=9)
)
def test_within_base64_of_more_no_four_of_its_bytes_stay(before: bytes, secret: str, after: bytes) -> None:
    """As in `Authorization: Basic base64(user:secret)`; of a character at either end two bits may stay."""
    header = base64.b64encode(before + secret.encode() + after).decode()
    printed = Redaction([secret])(header)
    assert "[redacted]" in printed
    start = -(-len(before) * 8 // 6)
    assert header[start : (len(before) + len(secret)) * 8 // 6] not in printed


@given(
    st.text(st.characters(codec="utf-8"), min_size=8).filter(lambda text: text.strip() == text), st.text(), st.text()
)
def test_no_known_value_stays(secret: str, before: str, after: str) -> None:
    if len(secret) >= 8:
        assert secret not in Redaction([secret])(before + secret + after).replace("[redacted]", "")


@pytest.mark.parametrize(
    "line",
    ["password=hunter2hunter2", '"api_key": "abcdefghij"', "Authorization: Bearer abcdefghij", "SECRET: 12345678"],
)
def test_what_looks_like_a_secret_is_struck_out(line: str) -> None:
    printed = Redaction()(line)
    assert "[redacted]" in printed
    assert not any(word in printed for word in ("hunter2", "abcdefghij", "12345678"))


@pytest.mark.parametrize("line", ["epoch 3 accuracy 0.97", "tokens: 512", "s3://models/default/mnist", "token budget"])
def test_ordinary_lines_stay(line: str) -> None:
    assert Redaction.of_environment(ENV)(line) == line


def test_rays_token_is_a_secret_and_short_values_are_none(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    redacted = Redaction.of_environment({"RAY_AUTH_TOKEN_PATH": str(token), "MY_PASSWORD": "mnist"})
    assert redacted("0123456789abcdef of mnist") == "[redacted] of mnist"


def test_last_lines_leave_out_what_only_underlines() -> None:
    text = 'Traceback:\n  File "net.py", line 3, in <module>\n    import timm\n    ^^^^^^^^^^^\nNo module\n\n'
    assert words.last_lines(text, 3) == 'File "net.py", line 3, in <module> | import timm | No module'
    assert len(words.last_lines("x" * 5000)) == 700
