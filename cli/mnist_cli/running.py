"""How every command ends: its exit code, and one line on stderr where something was wrong."""

from __future__ import annotations

import sys

import typer

from mnist_client.errors import MnistError
from mnist_trainer.cli.terminal import with_output
from mnist_trainer.errors import TrainerError


class CommandError(Exception):
    """One line for the user. `exit_code` is 2 where the user has to change something, 1 where it may pass or failed."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


def run(app: typer.Typer, name: str, argv: list[str] | None = None) -> int:
    """Run an app; returns its exit code."""
    return with_output(name, lambda: _run(app, name, argv))


def _run(app: typer.Typer, name: str, argv: list[str] | None) -> int:
    try:
        result = app(args=argv, prog_name=name, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TrainerError as error:
        _say(f"{name}: {error.message}")
        # Input and refusals are the user's to change; the rest may pass by itself.
        return 1 if error.retryable else 2
    except MnistError as error:
        _say(f"{name}: {error.message}")
        return 1 if error.may_pass else 2
    except CommandError as error:
        _say(f"{name}: {error.message}")
        return error.exit_code
    except typer.Abort:
        _say(f"{name}: stopped")
        return 130
    except KeyboardInterrupt:
        _say(f"{name}: interrupted")
        return 130
    except typer.TyperException as error:
        _say(_usage(error, name))
        return error.exit_code


def _usage(error: typer.TyperException, name: str) -> str:
    """What is wrong with a command line, in one line; the help, as it is, where no command was given."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is not None and message == context.get_help():
        return message
    return f"{name}: {' '.join(message.split())} (see {getattr(context, 'command_path', name)} --help)"


def _say(line: str) -> None:
    print(line, file=sys.stderr)
