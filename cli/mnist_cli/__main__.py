"""`mnistctl`: data, local runs and trainings from a workstation. Also installed as `kubectl-mnist`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mnist_cli import data, local, results
from mnist_cli.running import run
from mnist_cli.workstation import app as workstation

app = typer.Typer(
    name="mnistctl",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="MnistTrainings in a cluster or on this machine, and their datasets.",
)
workstation.register(app)
app.add_typer(data.app, name="data")
app.add_typer(local.app, name="local")
results.mount(app)


@app.command()
def version() -> None:
    """Show the version."""
    # Read only when asked for: package metadata costs as much as the rest of the start.
    from importlib.metadata import version as installed

    print(f"mnistctl {installed('mnist-training')}")


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass


def main(argv: list[str] | None = None) -> int:
    """Run `mnistctl`; returns the exit code (0 done, 1 failed, 2 bad input or refused, 130 interrupted)."""
    as_plugin = Path(sys.argv[0]).stem == "kubectl-mnist"
    return run(app, "kubectl mnist" if as_plugin else "mnistctl", argv)


if __name__ == "__main__":
    sys.exit(main())
