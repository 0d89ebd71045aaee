"""`mnist-trainer run`: a command of the user's own in place of our trainer."""

from __future__ import annotations

import base64
import json
import os
from typing import Annotated

import typer

from mnist_trainer.cli import train as training


def run(
    dataset: Annotated[str, typer.Option(help="What the command finds as DATASET: s3://bucket/path.")],
    output: Annotated[str, typer.Option(help="Where everything of this run goes: s3://bucket/path.")],
    command: Annotated[list[str] | None, typer.Argument(help="The command, behind `--`.")] = None,
    encoded: Annotated[str | None, typer.Option(help="The command as a JSON list in URL-safe Base64.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    workers: Annotated[int | None, typer.Option(help="Workers, which the command is told; 1 by default.")] = None,
    min_workers: Annotated[int | None, typer.Option(help="Fewest workers.")] = None,
    max_workers: Annotated[int | None, typer.Option(help="Most workers.")] = None,
    gpus_per_worker: Annotated[float | None, typer.Option(help="GPUs of each worker.")] = None,
    storage_endpoint: Annotated[
        str | None, typer.Option(help="URL of the S3 store; AWS_ENDPOINT_URL otherwise.")
    ] = None,
    storage_region: Annotated[str | None, typer.Option(help="Region of the S3 store; AWS_REGION otherwise.")] = None,
    training_namespace: Annotated[str | None, typer.Option(help="Namespace of the MnistTraining to report to.")] = None,
    training_name: Annotated[str | None, typer.Option(help="Its name; without it nothing is reported.")] = None,
    training_uid: Annotated[str | None, typer.Option(help="Its uid.")] = None,
    attempt: Annotated[int | None, typer.Option(help="Number of this attempt.")] = None,
    storage_secret: Annotated[
        str | None, typer.Option(help="Secret with storage credentials, if the environment's fail.")
    ] = None,
    code_archive: Annotated[str | None, typer.Option(help="Zip file with the code: s3://bucket/key.")] = None,
    code_sha256: Annotated[str | None, typer.Option(help="Digest of the zip file.")] = None,
) -> None:
    """Run a command of your own, report its progress, and seal what it leaves in OUTPUT.

    Credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY [, AWS_SESSION_TOKEN].
    """
    flags = dict(locals())
    from mnist_trainer.config import ScriptConfig, parse_as
    from mnist_trainer.run.console import Console
    from mnist_trainer.run.stopping import raise_on_signals
    from mnist_trainer.script.script_run import ScriptRun

    values = {field: flags[field] for field in ScriptConfig.model_fields if field in flags}
    words = tuple(command or ()) if encoded is None else decoded(encoded)
    config = parse_as(ScriptConfig, {**values, "command": words, "training": training.identity(flags)})
    raise_on_signals()
    console = Console(started=training.STARTED)
    result = ScriptRun(config, os.environ, console).execute()
    console.line(f"result {result['manifest']}")


def decoded(text: str) -> tuple[str, ...]:
    """The words of a command that was encoded to pass through shells. Raises InvalidConfigError."""
    from mnist_trainer.errors import InvalidConfigError

    try:
        words = json.loads(base64.urlsafe_b64decode(text.encode()))
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidConfigError("--encoded is not a JSON list of words in URL-safe Base64")
    return tuple(words)
