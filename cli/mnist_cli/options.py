"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="The S3 API, e.g. http://127.0.0.1:9000. Default: $AWS_ENDPOINT_URL, else AWS.",
    ),
]
Bucket = Annotated[str | None, typer.Option("--bucket", metavar="NAME", help="The bucket.")]
Prefix = Annotated[str | None, typer.Option("--prefix", metavar="PATH", help="The folder in the bucket.")]
Dataset = Annotated[
    str | None, typer.Option("--dataset", metavar="s3://BUCKET/PATH", help="Instead of --bucket and --prefix.")
]
MakeBucket = Annotated[bool, typer.Option("--make-bucket", help="Make the bucket if it does not exist.")]
LocalFile = Annotated[Path, typer.Option("--file", metavar="PATH", help="A local file or folder.")]
Output = Annotated[str, typer.Option("--output", "-o", metavar="text|json", help="How to print the result.")]


def checked_output(value: str) -> str:
    """The output format, or a usage error."""
    if value not in ("text", "json"):
        raise typer.BadParameter(f"the output is text or json, not {value!r}", param_hint="--output")
    return value
