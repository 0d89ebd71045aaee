"""TensorBoard's event file: the curves, the worst mistakes and the configuration of a run."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.record_writer import RecordWriter

from mnist_trainer.release.drawings import contact_sheet, png

_SCALARS = {
    "loss/train": "train_loss",
    "loss/test": "test_loss",
    "accuracy/test": "accuracy",
    "learning rate": "learning_rate",
    "speed/images per second": "images_per_second",
    "speed/seconds per epoch": "train_seconds",
    "workers": "workers",
}


def encode_events(metrics: dict[str, Any], test_images: npt.NDArray[np.uint8]) -> bytes:
    """The file for ``metrics.json``'s content, epochs as steps. `test_images` are ``[N, H, W]`` or ``[N, H, W, C]``."""
    epochs = metrics["epochs"]
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)

    def write(at: float, **content: Any) -> None:
        writer.write(Event(wall_time=at, **content).SerializeToString(deterministic=True))

    first, last = epochs[0]["finished_at"], epochs[-1]["finished_at"]
    write(first, file_version="brain.Event:2")  # without it readers take the file for an ancient one
    write(first, step=0, summary=Summary(value=[_text("configuration", _markdown(metrics))]))
    for record in epochs:
        for lost in (item for item in metrics["lostWorkers"] if item["epoch"] == record["epoch"]):
            at = datetime.fromisoformat(lost["time"]).timestamp()
            text = f"{lost['name']} was lost in epoch {lost['epoch']}: {lost['reason']}"
            write(at, step=lost["epoch"], summary=Summary(value=[_text("lost workers", text)]))
        figures = {tag: record[field] for tag, field in _SCALARS.items() if record[field] is not None}
        values = [Summary.Value(tag=tag, simple_value=figure) for tag, figure in figures.items()]
        write(record["finished_at"], step=record["epoch"], summary=Summary(value=values))
    worst = [test_images[item["index"]] for item in metrics["worstMistakes"]]
    if worst:
        write(last, step=epochs[-1]["epoch"], summary=Summary(value=[_image("worst mistakes", contact_sheet(worst))]))
    return buffer.getvalue()


def encode_scalars(rows: Iterable[tuple[float, int, dict[str, float]]]) -> bytes:
    """The file for rows of Unix time, step, and figures by tag."""
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    begun = False
    for at, step, figures in rows:
        if not begun:
            first = Event(wall_time=at, file_version="brain.Event:2")
            writer.write(first.SerializeToString(deterministic=True))
            begun = True
        values = [Summary.Value(tag=tag, simple_value=figure) for tag, figure in figures.items()]
        event = Event(wall_time=at, step=step, summary=Summary(value=values))
        writer.write(event.SerializeToString(deterministic=True))
    return buffer.getvalue()


def _image(tag: str, pixels: npt.NDArray[np.uint8]) -> Any:
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    image = Summary.Image(
        height=pixels.shape[0], width=pixels.shape[1], colorspace=channels, encoded_image_string=png(pixels)
    )
    return Summary.Value(tag=tag, image=image)


def _text(tag: str, markdown: str) -> Any:
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=[markdown.encode()])
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def _markdown(metrics: dict[str, Any]) -> str:
    chosen = {name: metrics[name] for name in ("runId", "model", "recipe", "dataset", "config", "versions")}
    return "```\n" + json.dumps(chosen, indent=2) + "\n```"
