"""`mnistctl local`: the whole path on this machine."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run MnistTrainings on this machine.")


@app.command()
def status() -> None:
    """Nothing yet."""
