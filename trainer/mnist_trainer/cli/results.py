"""`mnist-trainer evaluate`, `predict` and `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_trainer.cli.options import Endpoint, Json, Locations, Model, Region, write_file

if TYPE_CHECKING:
    from mnist_trainer.release.files import Predictions

_ENDINGS = {".onnx": "onnx", ".pt": "torchscript", ".pt2": "pt2"}


def evaluate(
    model: Model,
    dataset: Annotated[str, typer.Option(help="Folder of the four IDX files: s3://bucket/path or on this machine.")],
    storage_endpoint: Endpoint = None,
    storage_region: Region = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a released model on a dataset's test images, with the confusion matrix."""
    from mnist_trainer.inference.model_file import load_model
    from mnist_trainer.inference.predict import evaluate_model
    from mnist_trainer.release.files import per_class

    locations = Locations(storage_endpoint, storage_region)
    loaded = load_model(locations.model(model), model)
    accuracy, loss, predictions = evaluate_model(loaded, locations.dataset(dataset))
    confusion = predictions.confusion(loaded.spec.classes)
    if as_json:
        report = {"accuracy": accuracy, "loss": loss, "perClass": per_class(confusion), "confusion": confusion.tolist()}
        typer.echo(json.dumps(report))
        return
    typer.echo(f"accuracy {100 * accuracy:.2f} %  loss {loss:.4f}  {_wrong(predictions)}")
    typer.echo("confusion matrix (rows: true class, columns: what the model said)")
    width = max(4, len(str(confusion.max())) + 1)
    typer.echo(" " * width + "".join(f"{number:{width}}" for number in range(len(confusion))))
    for number, row in enumerate(confusion.tolist()):
        typer.echo(f"{number:{width}}" + "".join(f"{count or '.':>{width}}" for count in row))


def predict(
    files: Annotated[list[Path], typer.Argument(help="Pictures of one character each; ink on paper or the reverse.")],
    model: Model,
    storage_endpoint: Endpoint = None,
    storage_region: Region = None,
    as_json: Json = False,
) -> None:
    """Say what is on pictures of any size, how sure the model is, and where the picture gives reason to doubt.

    Pictures that cannot be read are named, the others are answered for; the exit code is then 2.
    """
    from mnist_trainer.inference.answers import Unread, classify_files
    from mnist_trainer.inference.model_file import load_classifier

    loaded = load_classifier(Locations(storage_endpoint, storage_region).model(model), model)
    answers = classify_files(loaded, files)
    if as_json:
        typer.echo(json.dumps([answer.as_json() for answer in answers]))
    for answer in answers:
        if isinstance(answer, Unread):
            typer.echo(answer.error, err=True)
        elif not as_json:
            typer.echo(answer)
    if any(isinstance(answer, Unread) for answer in answers):
        raise typer.Exit(2)


def export(
    file: Annotated[Path, typer.Argument(help="Where the exported model goes; a file that is there is replaced.")],
    model: Model,
    to: Annotated[
        str | None,
        typer.Option("--to", help="onnx, torchscript or pt2; by the file's ending (.onnx, .pt, .pt2) otherwise."),
    ] = None,
    storage_endpoint: Endpoint = None,
    storage_region: Region = None,
) -> None:
    """Write a released model in another format: uint8 images [N, C, H, W] in, logits and probabilities out."""
    kind = to or _ENDINGS.get(file.suffix.lower(), "")
    if kind not in _ENDINGS.values():
        raise typer.BadParameter(
            f"cannot tell the format of {file}: give --to onnx, torchscript or pt2", param_hint="--to"
        )
    data = Locations(storage_endpoint, storage_region).model(model)
    from mnist_trainer.inference.export import ExportFormat, export_model
    from mnist_trainer.inference.model_file import load_model

    exported = export_model(load_model(data, model), ExportFormat(kind))
    write_file(file, exported)
    typer.echo(f"{file}: {kind}, {len(exported):,} bytes")


def _wrong(predictions: Predictions) -> str:
    wrong = int((predictions.predicted != predictions.labels).sum())
    return f"{wrong:,} of {len(predictions.labels):,} images wrong"
