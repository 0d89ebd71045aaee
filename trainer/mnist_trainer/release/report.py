"""``report.html``: one file that a browser shows without asking anybody for anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from mnist_trainer.data.files import shown_class
from mnist_trainer.release.drawings import Chart, Line, data_url, draw

_EPOCH_COLUMNS = ("epoch", "training loss", "test loss", "accuracy", "learning rate", "seconds", "images/s", "workers")
_MOST_PAIRS = 10
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class ReportContext:
    """Where the release lies, and the sha256 of its other files by name."""

    address: str
    digests: Mapping[str, str]


def render_report(metrics: dict[str, Any], test_images: npt.NDArray[np.uint8], context: ReportContext) -> str:
    """The page for ``metrics.json``'s content; `test_images` are ``[N, H, W]`` or ``[N, H, W, C]``."""
    package = files("mnist_trainer.release")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    lowest = _lowest(metrics["perClass"])
    names = dict(enumerate(metrics["dataset"].get("classNames", [])))
    return environment.from_string(
        package.joinpath("report.html.j2").read_text("utf-8")
    ).render(
        css=Markup(package.joinpath("report.css").read_text("utf-8")),  # noqa: S704  (our own file)
        title=f"{metrics['name']}: {metrics['model']['name']} on {metrics['dataset']['address']}",
        subtitle=f"run {metrics['runId']}, attempt {metrics['attempt']}, trained {metrics['timeline']['trained']}",
        accuracy=percent(metrics["accuracy"]),
        figures=_figures(metrics),
        charts=[(chart.title, Markup(draw(chart, x))) for chart, x in _charts(metrics)],  # noqa: S704  (it escapes)
        loss_note=_loss_note(metrics["recipe"]),
        lost_workers=metrics["lostWorkers"],
        epoch_columns=_EPOCH_COLUMNS,
        epoch_rows=[_epoch_row(record) for record in metrics["epochs"]],
        shown=lambda label: shown_class(label, names.get(label)),
        confusion=_confusion(metrics["confusionMatrix"]),
        pairs=confused_pairs(metrics["confusionMatrix"])[:_MOST_PAIRS],
        classes=[_class_row(row, lowest) for row in metrics["perClass"]],
        bar_note=f"Bars begin at {percent(lowest, 0)}.",
        mistakes=[
            {**item, "picture": data_url(test_images[item["index"]]), "confidence": percent(item["confidence"], 0)}
            for item in metrics["worstMistakes"]
        ],
        wrong=_wrong(metrics),
        usage=_usage(metrics, context.address),
        tables=_tables(metrics, context),
    )


def percent(share: float | None, digits: int = 2) -> str:
    """A share as text; a dash for none."""
    return _NONE if share is None else f"{100 * share:.{digits}f} %"


def confused_pairs(matrix: list[list[int]]) -> list[dict[str, Any]]:
    """Pairs of classes that were confused, the most frequent first."""
    pairs = [
        {"label": i, "predicted": j, "count": count, "share": percent(count / sum(row), 1)}
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(pairs, key=lambda pair: (-pair["count"], pair["label"], pair["predicted"]))


def _figures(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    epochs, total = metrics["epochs"], metrics["dataset"]["testImages"]
    return [
        ("test accuracy", percent(metrics["accuracy"])),
        (f"wrong of {total:,} test images", f"{_wrong(metrics):,}"),
        ("epoch" if len(epochs) == 1 else "epochs", str(len(epochs))),
        ("seconds of training", f"{metrics['trainSeconds']:,.1f}"),
        ("images per second", f"{metrics['imagesPerSecond']:,.0f}"),
        ("worker" if epochs[-1]["workers"] == 1 else "workers", str(epochs[-1]["workers"])),
    ]


def _wrong(metrics: dict[str, Any]) -> int:
    matrix: list[list[int]] = metrics["confusionMatrix"]
    return sum(map(sum, matrix)) - sum(row[i] for i, row in enumerate(matrix))


def _charts(metrics: dict[str, Any]) -> list[tuple[Chart, list[int]]]:
    epochs = metrics["epochs"]
    target = metrics["config"].get("target_accuracy")

    def line(label: str, field: str, factor: float = 1) -> Line:
        return Line(label, [None if record[field] is None else factor * record[field] for record in epochs])

    x = [record["epoch"] for record in epochs]
    mark = (100 * target, f"target {100 * target:g} %") if target is not None else None
    # A worker that is lost in an epoch is lost between the points of the epoch before and of this one.
    lost = [
        (item["epoch"] - 0.5, f"{item['name']} was lost in epoch {item['epoch']}") for item in metrics["lostWorkers"]
    ]
    charts = [
        Chart("Test accuracy", [line("test accuracy", "accuracy", 100)], " %", mark),
        # Apart: label smoothing and augmentation put them on scales that differ tenfold and more.
        Chart("Test loss", [line("test loss", "test_loss")]),
        Chart("Training loss", [line("training loss", "train_loss")]),
        Chart("Images per second", [line("images per second", "images_per_second")], from_zero=True),
    ]
    return [(replace(chart, events=lost), x) for chart in charts]


def _loss_note(recipe: dict[str, Any]) -> str:
    smoothing = recipe.get("label_smoothing")
    smoothed = f" and against labels smoothed by {smoothing:g}" if smoothing else ""
    return f"The training loss is taken on augmented images{smoothed}; the two losses are not on one scale."


def _epoch_row(record: dict[str, Any]) -> list[str]:
    return [
        str(record["epoch"]),
        _decimal(record["train_loss"]),
        _decimal(record["test_loss"]),
        percent(record["accuracy"]),
        f"{record['learning_rate']:.3g}",
        f"{record['train_seconds']:.1f}",
        f"{record['images_per_second']:,.0f}",
        str(record["workers"]),
    ]


def _decimal(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4f}"


def _confusion(matrix: list[list[int]]) -> list[list[dict[str, Any]]]:
    most_hits = max((row[i] for i, row in enumerate(matrix)), default=1) or 1
    most_misses = max((count for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j), default=1) or 1
    return [
        [
            {
                "count": count,
                "hit": i == j,
                "shade": f"{0.1 + 0.5 * count / (most_hits if i == j else most_misses):.2f}",
            }
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(matrix)
    ]


def _lowest(rows: list[dict[str, Any]]) -> float:
    """Where the bars begin: a full tenth, or 0, so that classes of a good model can be told apart."""
    least = min((row[name] for row in rows for name in ("precision", "recall", "f1") if row["support"]), default=0.0)
    return max(0.0, int(10 * least - 1e-9) / 10)


def _class_row(row: dict[str, Any], lowest: float) -> dict[str, Any]:
    def bar(share: float) -> dict[str, str]:
        return {"text": percent(share), "width": f"{100 * max(0.0, share - lowest) / (1 - lowest):.0f}"}

    return {**row, **{name: bar(row[name]) for name in ("precision", "recall", "f1")}}


def _usage(metrics: dict[str, Any], address: str) -> str:
    return (
        f"mnist-trainer predict --model {address} PICTURE.png\n"
        f"mnist-trainer evaluate --model {address} --dataset {metrics['dataset']['address']}"
    )


def _tables(metrics: dict[str, Any], context: ReportContext) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        ("Configuration", _rows(metrics["config"])),
        ("Recipe", _rows(metrics["recipe"])),
        ("Model", _rows({**metrics["model"], **metrics["normalisation"]})),
        ("Data", _rows({name: value for name, value in metrics["dataset"].items() if name != "classNames"})),
        ("Versions", _rows({**metrics["versions"], "device": metrics["device"], "lineage": metrics["lineage"]})),
        ("Timeline", _timeline(metrics["timeline"])),
        ("Files (sha256)", list(context.digests.items())),
    ]


def _timeline(stages: dict[str, str]) -> list[tuple[str, str]]:
    """When the run began, and how long after that each stage was reached."""
    times = {name: datetime.fromisoformat(at) for name, at in stages.items()}
    first = min(times, key=times.__getitem__)
    passed = {name: f"+{(at - times[first]).total_seconds():.1f} s" for name, at in times.items()}
    return list({**passed, first: stages[first]}.items())


def _rows(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        label = f"{prefix}{_words(name)}"
        rows += _rows(value, f"{label}: ") if isinstance(value, dict) else [(label, _text(value))]
    return rows


def _words(name: str) -> str:
    """`batch_size` and `trainImages` in words; other names as they are."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name.replace("_", " "))
    return spaced.strip() if "-" not in name else name


def _text(value: Any) -> str:
    if value is None:
        return _NONE
    return f"{value:.6g}" if isinstance(value, float) else str(value)
