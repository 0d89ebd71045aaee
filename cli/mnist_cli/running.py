"""How every command ends: its exit code, and one line on stderr where something was wrong."""

from __future__ import annotations

import os
import sys

import typer

from mnist_cli.errors import CommandError
from mnist_trainer.errors import TrainerError


def run(app: typer.Typer, name: str, argv: list[str] | None = None) -> int:
    """Run an app; returns its exit code."""
    try:
        result = app(args=argv, prog_name=name, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TrainerError as error:
        _say(f"{name}: {error.message}")
        # Input and refusals are the user's to change; the rest may pass by itself.
        return 1 if error.retryable else 2
    except CommandError as error:
        _say(f"{name}: {error.message}")
        return error.exit_code
    except typer.Abort:
        _say(f"{name}: stopped")
        return 130
    except KeyboardInterrupt:
        _say(f"{name}: interrupted")
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has had enough; without this Python complains again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except typer.TyperException as error:
        message = " ".join(error.format_message().split())
        hint = getattr(getattr(error, "ctx", None), "command_path", name)
        _say(f"{name}: {message} (see {hint} --help)" if message else "")
        return error.exit_code


def _say(line: str) -> None:
    if line:
        print(line, file=sys.stderr)
