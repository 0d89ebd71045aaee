"""`mnistctl`: data, local runs and trainings from a workstation. Also installed as `kubectl-mnist`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mnist_cli import data, local
from mnist_cli.running import run

app = typer.Typer(
    name="mnistctl",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Datasets in the bucket, and MnistTrainings on this machine.",
)
app.add_typer(data.app, name="data")
app.add_typer(local.app, name="local")


def _show_version(wanted: bool) -> None:
    if wanted:
        # Read only when asked for: package metadata costs as much as the rest of the start.
        from importlib.metadata import version

        print(f"mnistctl {version('mnist-training')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass


def main(argv: list[str] | None = None) -> int:
    """Run `mnistctl`; returns the exit code (0 done, 1 failed, 2 bad input or refused, 130 interrupted)."""
    return run(app, "mnistctl", argv)


if __name__ == "__main__":
    sys.exit(main())
