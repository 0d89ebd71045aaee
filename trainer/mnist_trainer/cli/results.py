"""`mnist-trainer evaluate` and `mnist-trainer predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mnist_trainer.release.metrics import Predictions

_MODEL_HELP = "A released model: its file or folder, s3://bucket/path or on this machine."
_Model = Annotated[str, typer.Option(help=_MODEL_HELP)]
_Endpoint = Annotated[str | None, typer.Option(help="URL of the S3 store; AWS_ENDPOINT_URL otherwise.")]
_Region = Annotated[str | None, typer.Option(help="Region of the S3 store; AWS_REGION otherwise.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def evaluate(
    model: _Model,
    dataset: Annotated[str, typer.Option(help="Folder of the four IDX files: s3://bucket/path or on this machine.")],
    storage_endpoint: _Endpoint = None,
    storage_region: _Region = None,
    as_json: _Json = False,
) -> None:
    """Accuracy of a released model on a dataset's test images, with the confusion matrix."""
    from mnist_trainer.cli.locations import Locations
    from mnist_trainer.inference.model_file import load_model
    from mnist_trainer.inference.predict import evaluate_model
    from mnist_trainer.release.metrics import per_class

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
    model: _Model,
    storage_endpoint: _Endpoint = None,
    storage_region: _Region = None,
    as_json: _Json = False,
) -> None:
    """Say what is on pictures of any size, and how sure the model is."""
    import numpy as np

    from mnist_trainer.cli.locations import Locations
    from mnist_trainer.inference.model_file import load_model
    from mnist_trainer.inference.pictures import read_picture
    from mnist_trainer.inference.predict import probabilities

    loaded = load_model(Locations(storage_endpoint, storage_region).model(model), model)
    shares = probabilities(loaded, np.stack([read_picture(path, loaded.spec) for path in files]))
    answers = [_answer(path, row) for path, row in zip(files, shares.tolist(), strict=True)]
    if as_json:
        typer.echo(json.dumps(answers))
        return
    for answer in answers:
        second = answer["next"]
        typer.echo(
            f"{answer['file']}: {answer['class']}  ({100 * answer['confidence']:.1f} % sure, "
            f"else {second['class']} with {100 * second['confidence']:.1f} %)"
        )


def _answer(path: Path, shares: list[float]) -> dict[str, Any]:
    best, following = sorted(range(len(shares)), key=lambda number: -shares[number])[:2]
    return {
        "file": str(path),
        "class": best,
        "confidence": shares[best],
        "next": {"class": following, "confidence": shares[following]},
    }


def _wrong(predictions: Predictions) -> str:
    wrong = int((predictions.predicted != predictions.labels).sum())
    return f"{wrong:,} of {len(predictions.labels):,} images wrong"
