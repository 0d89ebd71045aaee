"""What the portal ships of others is what they released, with its licence; nothing is loaded from elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

PORTAL = Path(__file__).parents[3] / "portal" / "mnist_portal"
VENDOR = PORTAL / "static" / "vendor"


def test_every_vendored_file_has_the_digest_that_was_written_down() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    told = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name not in ("SHA256SUMS", "README.md")
    }
    assert found == told


def test_every_vendored_script_has_its_licence() -> None:
    for path in [*VENDOR.glob("*.js"), *VENDOR.glob("*.css")]:
        assert (VENDOR / f"{path.name.partition('.')[0]}.LICENSE").is_file(), path.name


def test_no_page_has_an_inline_script_or_style_or_anything_from_elsewhere() -> None:
    for path in (PORTAL / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), path


def test_no_style_asks_for_anything_from_elsewhere() -> None:
    assert "url(" not in (PORTAL / "static" / "app.css").read_text()
    assert "@import" not in (PORTAL / "static" / "app.css").read_text()
