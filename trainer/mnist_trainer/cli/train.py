"""`mnist-trainer train`."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

import typer

STARTED = time.time()
"""When the process started; the entry point sets it."""


def train(
    dataset: Annotated[str, typer.Option(help="Folder of the four IDX files: s3://bucket/path.")],
    output: Annotated[str, typer.Option(help="Where everything of this run goes: s3://bucket/path.")],
    name: Annotated[str | None, typer.Option(help="Name in the report.")] = None,
    model: Annotated[str | None, typer.Option(help="cnn (default), lenet5 or mlp.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images; 5 by default.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step and worker; 64 by default.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak rate; the recipe's own by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of initial weights, order and augmentation.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto (default), fp32 or bf16.")] = None,
    target_accuracy: Annotated[
        float | None, typer.Option(help="Stop once the test accuracy reaches it (0 to 1).")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Workers, of one CPU each for Ray; 1 by default.")] = None,
    min_workers: Annotated[int | None, typer.Option(help="Go on with as few as these.")] = None,
    max_workers: Annotated[int | None, typer.Option(help="Grow to as many as these.")] = None,
    gpus_per_worker: Annotated[float | None, typer.Option(help="GPUs of each worker; 0 by default.")] = None,
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
    code_module: Annotated[str | None, typer.Option(help="A network of your own: package.file:build.")] = None,
    code_archive: Annotated[str | None, typer.Option(help="Zip file with its code: s3://bucket/key.")] = None,
    code_sha256: Annotated[str | None, typer.Option(help="Digest of the zip file.")] = None,
) -> None:
    """Train, evaluate and publish a model.

    Credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY [, AWS_SESSION_TOKEN].
    """
    flags = dict(locals())
    from mnist_trainer.config import RunConfig, parse_config
    from mnist_trainer.run.console import Console
    from mnist_trainer.run.stopping import raise_on_signals
    from mnist_trainer.run.training_run import Timeline, TrainingRun

    values = {field: flags[field] for field in RunConfig.model_fields if field in flags}
    config = parse_config({**values, "training": identity(flags)})
    timeline = Timeline()
    timeline.mark("started", STARTED)
    raise_on_signals()
    console = Console(started=STARTED)
    run = TrainingRun(config, os.environ, console, timeline)
    try:
        result = run.execute()
    finally:
        run.close()
    console.line(f"model {result['model']}  sha256 {result['sha256']}")


def identity(flags: dict[str, Any]) -> dict[str, str] | None:
    """The Kubernetes object to report to, if one is named."""
    if flags["training_name"] is None:
        return None
    fields = {
        "namespace": flags["training_namespace"],
        "name": flags["training_name"],
        "uid": flags["training_uid"],
        "storage_secret": flags["storage_secret"],
    }
    return {name: value for name, value in fields.items() if value is not None}
