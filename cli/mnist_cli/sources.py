"""Fetching a dataset into a folder, with its progress shown."""

from __future__ import annotations

from pathlib import Path

from mnist_cli.progress import Advance, Transfers


def fetch_into(folder: Path, source: str, shown: Transfers) -> list[Path]:
    """Fill a folder from `source`: "mirrors", "digits", or the path of another folder."""
    if source == "mirrors":
        from mnist_trainer.data.sources.mirrors import fetch_mnist

        bars: dict[str, Advance] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = shown.file(name)
            bars[name](done, total)

        paths = fetch_mnist(folder, progress)
    elif source == "digits":
        from mnist_trainer.data.sources.digits import write_digits

        paths = write_digits(folder)
    else:
        from mnist_trainer.data.sources.folder import copy_folder

        paths = copy_folder(Path(source), folder)
    for path in paths:
        shown.finish(path.name, path.stat().st_size)
    return paths
