"""`mnistctl local`: the whole path on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_cli.options import CodeFolder, Script, own_code

if TYPE_CHECKING:
    from mnist_local.stack.layout import StackError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run MnistTrainings on this machine.")

Folder = Annotated[
    Path, typer.Option("--dir", metavar="FOLDER", help="Where everything lies; the buckets in it are kept.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Four IDX files for the dataset's address. Default: offline digits."),
]
ApiPort = Annotated[int, typer.Option("--api-port", min=0, max=65535, help="Port of the API; 0 takes a free one.")]
S3Port = Annotated[int, typer.Option("--s3-port", min=0, max=65535, help="Port of the store; 0 takes a free one.")]


@app.command()
def run(
    manifest: Annotated[Path, typer.Argument(metavar="FILE", help="A manifest with one MnistTraining or more.")],
    script: Script = None,
    code: CodeFolder = None,
    data: Data = None,
    folder: Folder = Path(".local"),
    timeout: Annotated[float, typer.Option("--timeout", min=1, metavar="SECONDS", help="Give up after this.")] = 3600.0,
    api_port: ApiPort = 0,
    s3_port: S3Port = 0,
) -> None:
    """Run a manifest from nothing to a trained model, and leave no process behind.

    Exit code 0 if it succeeded, 1 if it failed.
    """
    from mnist_cli.local.run import Request, run_local
    from mnist_local.stack.layout import StackError

    try:
        ended = run_local(Request(manifest, folder, data, timeout, api_port, s3_port, own_code(script, code)))
    except StackError as error:
        ended = explain(error)
    raise typer.Exit(ended)


@app.command()
def up(
    data: Data = None,
    folder: Folder = Path(".local"),
    api_port: ApiPort = 0,
    s3_port: S3Port = 0,
) -> None:
    """Start a local stack in the background, for kubectl."""
    from mnist_cli.local.background import start
    from mnist_local.stack.layout import StackError

    try:
        code = start(folder, data, api_port, s3_port)
    except StackError as error:
        code = explain(error)
    raise typer.Exit(code)


@app.command()
def down(folder: Folder = Path(".local")) -> None:
    """End the stack that `up` started."""
    from mnist_local.stack import stack_process
    from mnist_local.stack.layout import Layout, StackError

    try:
        ended = stack_process.end(Layout.at(folder))
    except StackError as error:
        raise typer.Exit(explain(error)) from None
    print("the local stack is down" if ended else f"no local stack is running in {folder}")


@app.command()
def status(folder: Folder = Path(".local")) -> None:
    """Tell what runs, and where. Exit code 1 if nothing does, or a part of it ends again and again."""
    from mnist_cli.local.background import describe

    code, lines = describe(folder)
    print("\n".join(lines))
    raise typer.Exit(code)


def explain(error: StackError) -> int:
    """Say on stderr why a stack failed, with the end of the log that tells more; returns the exit code."""
    from mnist_local.stack.layout import StackRefusedError

    print(f"mnistctl: {error.message}", file=sys.stderr)
    for line in error.tail:
        print(f"  | {line}", file=sys.stderr)
    if error.log:
        print(f"  log: {error.log}", file=sys.stderr)
    return 2 if isinstance(error, StackRefusedError) else 1
