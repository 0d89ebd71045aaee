"""The trainer's tools on results, mounted on `mnistctl`."""

from __future__ import annotations

import typer

from mnist_trainer.cli import results, runs


def mount(app: typer.Typer) -> None:
    """Add `evaluate`, `predict`, `export` and `runs`."""
    for command in (results.evaluate, results.predict, results.export):
        app.command(command.__name__)(command)
    app.add_typer(runs.app, name="runs")
