"""`mnistctl`: data, local runs and trainings from a workstation. Also installed as `kubectl-mnist`.

A command is a file of its own, imported when it is asked for: the start must be quick. So the help of all commands is a
table here, and a test sees to it that each command's own help begins as the table says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mnist_cli.running import run

COMMANDS = {
    "submit": ("mnist_cli.submit", "Create a training from a manifest, or change it."),
    "check": ("mnist_cli.check", "Check all that a manifest names before it is applied."),
    "watch": ("mnist_cli.watch", "Watch trainings in a live table."),
    "logs": ("mnist_cli.logs", "Print the trainer's log."),
    "status": ("mnist_cli.status", "Tell where a training stands, and why."),
    "suspend": ("mnist_cli.suspend", "Stop a training and free its cluster."),
    "resume": ("mnist_cli.suspend", "Let a suspended training go on."),
    "report": ("mnist_cli.report", "Fetch the report of a finished training from its store."),
    "portal": ("mnist_cli.portal", "Open the portal's pages in the browser."),
    "evaluate": ("mnist_trainer.cli.results", "Accuracy of a released model on a dataset's test images."),
    "predict": ("mnist_trainer.cli.results", "Say what is on pictures of any size."),
    "export": ("mnist_trainer.cli.results", "Write a released model in another format."),
    "version": ("mnist_cli.__main__", "Show the version."),
    "data": ("mnist_cli.data", "Get, move and check datasets."),
    "local": ("mnist_cli.local.commands", "Run MnistTrainings on this machine."),
    "runs": ("mnist_trainer.cli.runs", "Runs below an output prefix: list, show, compare, prune."),
}
"""By name: the module that has the command, or has `app` with its sub-commands, and the first sentence of its help."""


class _Loaded(Mapping[str, Any]):
    """The parser's commands by name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module = import_module(COMMANDS[name][0])
            holder = typer.Typer(add_completion=False, rich_markup_mode=None)
            if hasattr(module, name):
                holder.command(name)(getattr(module, name))
            else:
                holder.add_typer(module.app, name=name)
            self._made[name] = typer.main.get_group(holder).commands[name]
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Loaded()  # type: ignore[assignment]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table, without importing what is in it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


app = typer.Typer(
    name="mnistctl",
    cls=_Group,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="MnistTrainings in a cluster or on this machine, and their datasets.",
)


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
