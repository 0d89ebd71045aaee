"""`mnistctl`: data, local runs and trainings from a workstation. Also installed as `kubectl-mnist`.

A command is a file of its own. What it needs beyond its options is imported when it runs: the start must be quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mnist_cli.check import check
from mnist_cli.data import app as data
from mnist_cli.local.commands import app as local
from mnist_cli.logs import logs
from mnist_cli.report import report
from mnist_cli.running import run
from mnist_cli.status import status
from mnist_cli.submit import submit
from mnist_cli.suspend import resume, suspend
from mnist_cli.watch import watch
from mnist_trainer.cli import results, runs

app = typer.Typer(
    name="mnistctl",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="MnistTrainings in a cluster or on this machine, and their datasets.",
)
_COMMANDS: tuple[Callable[..., None], ...] = (
    *(submit, check, watch, logs, status, suspend, resume, report),
    *(results.evaluate, results.predict, results.export),
)
for command in _COMMANDS:
    app.command()(command)
for name, group in (("data", data), ("local", local), ("runs", runs.app)):
    app.add_typer(group, name=name)


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
