"""TensorBoard itself reads the event file."""

from __future__ import annotations

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.unit.trainer.release_support import LOST, build

from mnist_trainer.naming import EVENTS_FILE


@pytest.fixture
def events(finished, dataset, tmp_path) -> EventAccumulator:
    files, _ = build(finished, dataset, [LOST])
    path = tmp_path / EVENTS_FILE
    path.parent.mkdir()
    path.write_bytes(next(file.data for file in files if file.name == EVENTS_FILE))
    accumulator = EventAccumulator(str(path.parent))
    accumulator.Reload()
    return accumulator


def test_curves(events):
    points = events.Scalars("accuracy/test")
    assert [(point.step, point.wall_time) for point in points] == [(1, 1.7e9 + 1), (2, 1.7e9 + 2)]
    assert [point.value for point in points] == pytest.approx([0.7, 0.9])
    assert {"loss/train", "loss/test", "learning rate", "workers"} <= set(events.Tags()["scalars"])


def test_pictures_and_configuration(events):
    (sheet,) = events.Images("worst mistakes")
    assert (sheet.width, sheet.height) == (2 * 30 + 2, 30 + 2)
    assert sheet.encoded_image_string.startswith(b"\x89PNG")
    (text,) = events.Tensors("configuration")
    assert b'"runId": "r1"' in text.tensor_proto.string_val[0]


def test_lost_workers_are_a_text_at_their_epoch(events):
    (lost,) = events.Tensors("lost workers")
    assert (lost.step, lost.wall_time) == (2, 1.7e9 + 1.5)
    assert lost.tensor_proto.string_val[0] == b"workers-<b> was lost in epoch 2: its node died"
