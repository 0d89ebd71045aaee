"""``report.html``: one file that a browser shows without asking anybody for anything."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from mnist_trainer.release.charts import Line, line_chart
from mnist_trainer.release.pictures import data_url

_BLUE, _ORANGE, _GREEN = "#2563eb", "#ea580c", "#16a34a"
_EPOCH_COLUMNS = ("epoch", "training loss", "test loss", "accuracy", "seconds", "images/s", "workers")


def render_report(metrics: dict[str, Any], test_images: npt.NDArray[np.uint8]) -> str:
    """The page for ``metrics.json``'s content; `test_images` are ``[N, H, W]`` or ``[N, H, W, C]``."""
    source = files("mnist_trainer.release").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    return environment.from_string(source).render(
        title=f"{metrics['name']}: {metrics['model']['name']} on {metrics['dataset']['address']}",
        subtitle=f"run {metrics['runId']}, attempt {metrics['attempt']}, finished {metrics['timeline']['trained']}",
        accuracy=_percent(metrics["accuracy"]),
        figures=_figures(metrics),
        charts=_charts(metrics["epochs"]),
        epoch_columns=_EPOCH_COLUMNS,
        epoch_rows=[_epoch_row(record) for record in metrics["epochs"]],
        confusion=_confusion(metrics["confusionMatrix"]),
        classes=[
            {**row, **{name: _percent(row[name]) for name in ("precision", "recall", "f1")}}
            for row in metrics["perClass"]
        ],
        mistakes=[
            {**item, "picture": data_url(test_images[item["index"]]), "confidence": _percent(item["confidence"], 0)}
            for item in metrics["worstMistakes"]
        ],
        tables=_tables(metrics),
    )


def _figures(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    total = metrics["dataset"]["testImages"]
    return [
        ("test accuracy", _percent(metrics["accuracy"])),
        (f"wrong of {total:,} test images", f"{total - round(metrics['accuracy'] * total):,}"),
        ("epochs", str(len(metrics["epochs"]))),
        ("seconds of training", f"{metrics['trainSeconds']:.1f}"),
        ("images per second", f"{metrics['imagesPerSecond']:,.0f}"),
        ("workers", str(metrics["epochs"][-1]["workers"])),
    ]


def _charts(epochs: list[dict[str, Any]]) -> list[str]:
    x = [record["epoch"] for record in epochs]
    losses = [
        Line("training loss", _ORANGE, [record["train_loss"] for record in epochs]),
        Line("test loss", _BLUE, [record["test_loss"] for record in epochs]),
    ]
    accuracy = [Line("test accuracy", _GREEN, [100 * record["accuracy"] for record in epochs])]
    return [line_chart(accuracy, x, "test accuracy by epoch", " %"), line_chart(losses, x, "losses by epoch")]


def _epoch_row(record: dict[str, Any]) -> list[str]:
    return [
        str(record["epoch"]),
        f"{record['train_loss']:.4f}",
        f"{record['test_loss']:.4f}",
        _percent(record["accuracy"]),
        f"{record['train_seconds']:.1f}",
        f"{record['images_per_second']:,.0f}",
        str(record["workers"]),
    ]


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


def _tables(metrics: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    def rows(values: dict[str, Any]) -> list[tuple[str, str]]:
        return [(name, _text(value)) for name, value in values.items()]

    return [
        ("Configuration", rows(metrics["config"])),
        ("Recipe", rows(metrics["recipe"])),
        ("Data", rows(metrics["dataset"])),
        ("Provenance", rows({**metrics["versions"], "device": metrics["device"], "lineage": metrics["lineage"]})),
        ("Timeline", rows(metrics["timeline"])),
    ]


def _text(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"
