"""`python -m mnist_cli.buckethandler`: the interface of an older script, over the same code as `mnistctl data`.

`python -m mnist_cli.buckethandler --endpoint URL --bucket datasets upload --file PATH`, and likewise download, list
and delete. Unlike `mnistctl data`, upload makes the bucket, and delete does not ask: scripts call this.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mnist_cli.data import Place, print_listing
from mnist_cli.options import Bucket, Endpoint, LocalFile, Output, Prefix
from mnist_cli.running import run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Files in a bucket. New scripts should use `mnistctl data`.",
)


@app.callback()
def _bucket(context: typer.Context, endpoint: Endpoint = None, bucket: Bucket = None, prefix: Prefix = None) -> None:
    context.obj = Place(endpoint, bucket, prefix)


@app.command()
def upload(context: typer.Context, path: LocalFile) -> None:
    """Upload a file or a folder; makes the bucket if needed."""
    from mnist_cli import transfer

    place: Place = context.obj
    with transfer.transfers("uploaded") as shown:
        transfer.upload(place.store(), path, place.address, shown, make_bucket=True)


@app.command()
def download(context: typer.Context, path: LocalFile) -> None:
    """Download the object of the file's name to this path."""
    from mnist_cli import transfer

    place: Place = context.obj
    with transfer.transfers("downloaded") as shown:
        transfer.download(place.store(), path, place.address, shown)


@app.command("list")
def list_(context: typer.Context, output: Output = "text") -> None:
    """List the bucket."""
    place: Place = context.obj
    print_listing(list(place.store().list(place.address)), place.address, output)


@app.command()
def delete(
    context: typer.Context, path: Annotated[Path, typer.Option("--file", metavar="NAME", help="The object's name.")]
) -> None:
    """Delete the object of this name."""
    place: Place = context.obj
    target, store = place.address.child(path.name), place.store()
    store.stat(target)
    store.delete(target)
    print(f"deleted {target}")


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit code."""
    return run(app, "buckethandler", argv)


if __name__ == "__main__":
    sys.exit(main())
