"""`mnist-trainer`: the commands, and how they end."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import NoReturn

import typer

from mnist_trainer.cli import results, runs, train
from mnist_trainer.cli import run as run_command
from mnist_trainer.cli.terminal import output_is_full, with_output
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.localdisk import name_user_and_home

app = typer.Typer(
    name="mnist-trainer",
    help="Train image classifiers on Ray, from a bucket to a bucket.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train")(train.train)
app.command("run")(run_command.run)
app.command("evaluate")(results.evaluate)
app.command("predict")(results.predict)
app.command("export")(results.export)
app.add_typer(runs.app, name="runs")


@app.command()
def version() -> None:
    """Print the version."""
    from mnist_trainer.version import package_version

    typer.echo(package_version())


def _unexpected(error: Exception) -> int:
    """Report a mistake on the command line, in the words of its parser, or else a defect of ours."""
    if isinstance(error, typer.TyperException):
        words, context = error.format_message(), getattr(error, "ctx", None)
        # Without a command the words are the help itself.
        asked_for_help = context is not None and words == context.get_help()
        typer.echo(words if asked_for_help else f"error: {words}", err=True)
        return FailureReason.INVALID_CONFIG.exit_code
    traceback.print_exception(error)
    return FailureReason.INTERNAL_ERROR.exit_code


def run(started: float) -> NoReturn:
    """Run a command and end the process with the exit status of the contract; errors are one line on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("urllib3", "ray"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    name_user_and_home(os.environ)
    train.STARTED = started
    # Ray and the reporter have threads that must not hold up the end.
    os._exit(with_output("mnist-trainer", _status))


def _status() -> int:
    try:
        result = app(standalone_mode=False)
    except TrainerError as error:
        typer.echo(f"error: {error.message} ({error.reason.value})", err=True)
        return error.exit_code
    except typer.Abort:
        return FailureReason.INTERRUPTED.exit_code
    except OSError as error:
        if output_is_full(error):
            raise
        return _unexpected(error)
    except Exception as error:  # noqa: BLE001  (the last line of defence)
        return _unexpected(error)
    return result if isinstance(result, int) else 0
