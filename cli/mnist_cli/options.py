"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _training_names(context: typer.Context) -> list[str]:
    from mnist_cli.cluster import training_names

    return training_names(context.params)


# Which cluster, and what in it.
Name = Annotated[str, typer.Argument(metavar="NAME", help="The training.", autocompletion=_training_names)]
OptionalName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Only this one, until it ends.", autocompletion=_training_names),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", metavar="NAME", help="Default: the context's, else `default`.")
]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="A context of the kubeconfig.")]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="E.g. spec.training.epochs=3. Repeatable.")
]
Script = Annotated[
    Path | None, typer.Option("--script", metavar="FILE", help="A script of your own: it is uploaded, and run.")
]
CodeFolder = Annotated[
    Path | None, typer.Option("--code", metavar="FOLDER", help="Code of your own: it is uploaded for spec.code.")
]


def own_code(script: Path | None, folder: Path | None) -> Path | None:
    """What `--script` and `--code` name together."""
    if script and folder:
        raise typer.BadParameter("give --script FILE or --code FOLDER, not both", param_hint="--script")
    if script and not script.is_file():
        raise typer.BadParameter(f"{script} is no file; a folder is given by --code", param_hint="--script")
    return script or folder


SeenFrom = Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="Where the store is seen from here.")]

# Where in which bucket.
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


def _text_or_json(value: str) -> str:
    if value not in ("text", "json"):
        raise typer.BadParameter(f"the output is text or json, not {value!r}", param_hint="--output")
    return value


Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="text|json", callback=_text_or_json, help="How to print the result."),
]
