"""Pictures are opened in one place: only formats that Pillow decodes itself, within bounds, and with a clear word."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image
from tests.support.pictures import ink, pictures, png, write_tree

from mnist_trainer.data import pictures as opening
from mnist_trainer.data.convert import ConvertOptions, convert
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError
from mnist_trainer.inference.pictures import read_drawing
from mnist_trainer.plan import ModelSpec

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\nshowpage\n%%EOF\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
GREY, COLOUR = ModelSpec("cnn", 10), ModelSpec("cnn", 10, channels=3)


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gs` on PATH that leaves a mark when it is started; returns where."""
    mark = tmp_path / "started"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {mark}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return mark


@pytest.mark.parametrize("spec", [GREY, COLOUR], ids=["grey", "colour"])
def test_no_picture_starts_a_program(tmp_path: Path, ghostscript: Path, spec: ModelSpec) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(EPS)
    with pytest.raises(InvalidConfigError, match=r"x\.png: not a picture that can be read"):
        read_drawing(path, spec)
    source = write_tree(tmp_path / "in", {**pictures(), "b/x.png": EPS})
    with pytest.raises(DatasetInvalidError, match=r"b/x\.png: not a picture that can be read"):
        convert(source, tmp_path / "out", ConvertOptions())
    assert not ghostscript.exists()


def test_pillow_would_start_it(tmp_path: Path, ghostscript: Path) -> None:
    """So that the test above can fail."""
    (tmp_path / "x.png").write_bytes(EPS)
    with suppress(OSError), Image.open(tmp_path / "x.png") as opened:
        opened.load()
    assert ghostscript.exists()


@pytest.mark.parametrize("spec", [GREY, COLOUR], ids=["grey", "colour"])
def test_heic_is_named_with_what_to_do(tmp_path: Path, spec: ModelSpec) -> None:
    (tmp_path / "IMG_0001.HEIC").write_bytes(HEIC)
    with pytest.raises(InvalidConfigError, match=r"IMG_0001\.HEIC: .*it is HEIC.*export it as JPEG or PNG"):
        read_drawing(tmp_path / "IMG_0001.HEIC", spec)


@pytest.mark.parametrize("spec", [GREY, COLOUR], ids=["grey", "colour"])
def test_bombs_are_refused_before_they_are_unpacked(
    tmp_path: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    size = struct.pack(">II", 9000, 9000)  # 81 million pixels: Pillow itself would only warn
    path.write_bytes(png(ink(1, 0))[:16] + size + png(ink(1, 0))[24:])
    with pytest.raises(InvalidConfigError, match=r"x\.png: "):
        read_drawing(path, spec)
    whole = np.zeros((40, 40), np.uint8)
    path.write_bytes(png(whole))
    monkeypatch.setattr(opening, "_MAX_PIXELS", 1599)
    with pytest.raises(InvalidConfigError, match="40x40 pixels is too large"):
        read_drawing(path, spec)
    monkeypatch.setattr(opening, "MAX_BYTES", 20)
    with pytest.raises(InvalidConfigError, match="larger than"):
        read_drawing(path, spec)
