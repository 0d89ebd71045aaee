"""`mnistctl data convert`: pictures in folders become a dataset."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal, cast

import typer


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="A folder or zip file of pictures, or a CSV, npz or parquet file.")
    ],
    target: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to write the four IDX files to.")],
    size: Annotated[
        str, typer.Option("--size", metavar="N|HxW", help="Pixels; pictures are scaled to fit and keep proportions.")
    ] = "28",
    channels: Annotated[int, typer.Option("--channels", metavar="1|3|4", help="Grey, RGB, or RGBA.")] = 1,
    test_share: Annotated[
        float | None,
        typer.Option("--test-share", metavar="0..1", help="Of each class, without train/ and test/. Default: 0.1."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Decides which pictures are for testing.")] = 0,
    invert: Annotated[
        str,
        typer.Option("--invert", metavar="auto|yes|no", help="auto: grey ink on paper becomes bright ink on black."),
    ] = "auto",
    tile: Annotated[
        str, typer.Option("--tile", metavar="N|HxW", help="Pixels of one picture where each class is a sheet of them.")
    ] = "28",
    force: Annotated[bool, typer.Option("--force", help="Replace a dataset in DEST.")] = False,
) -> None:
    """Make a dataset of pictures in folders named after their classes (with train/ and test/ around them, or without).

    Kaggle's CSV files, Keras' npz, Hugging Face's parquet, and sheets of many pictures, one for each class, are taken
    too, alone or together in a folder or zip file. The same pictures, options and seed give the same files.
    """
    from mnist_cli.transfer import counting
    from mnist_trainer.data.convert import ConvertOptions
    from mnist_trainer.data.convert import convert as convert_pictures

    height, width = _sides(size, "--size")
    # Checked by ConvertOptions.
    how = cast(Literal["auto", "yes", "no"], invert)
    options = ConvertOptions(height, width, channels, test_share, seed, how, _sides(tile, "--tile"))
    with counting("converted") as progress:
        done = convert_pictures(source, target, options, progress, force)
    if done.skipped:
        print(f"note: {done.skipped} file(s) are no pictures with labels and were left out", file=sys.stderr)
    if done.without_test:
        print(f"warning: no test image of class {', '.join(done.without_test[:10])}", file=sys.stderr)
    shape = f"{height}x{width}" + (f"x{channels}" if channels > 1 else "")
    print(
        f"{done.train:,} training and {done.test:,} test images of {shape}{', inverted' if done.inverted else ''}, "
        f"{len(done.classes)} classes, in {target}"
    )


def _sides(size: str, option: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", size)
    if not found:
        raise typer.BadParameter(f"{size!r} is neither a number nor like 28x28", param_hint=option)
    return int(found[1]), int(found[2] or found[1])
