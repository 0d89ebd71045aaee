"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

_MODEL_HELP = "A released model: its file or folder, s3://bucket/path or on this machine."
Model = Annotated[str, typer.Option(help=_MODEL_HELP)]
Endpoint = Annotated[
    str | None,
    typer.Option("--storage-endpoint", "--endpoint", help="URL of the S3 store; AWS_ENDPOINT_URL otherwise."),
]
Region = Annotated[
    str | None, typer.Option("--storage-region", "--region", help="Region of the S3 store; AWS_REGION otherwise.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _checked(value: str) -> str:
    if value not in ("text", "json"):
        raise typer.BadParameter(f"text or json, not {value!r}")
    return value


Output = Annotated[
    str, typer.Option("--output", "-o", metavar="text|json", callback=_checked, help="How to print the result.")
]
