"""Released models load again; pictures of any kind become images like the training's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.inference.model_file import load_model
from mnist_trainer.inference.pictures import centred, read_picture
from mnist_trainer.inference.predict import probabilities
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan
from mnist_trainer.recipe.recipe import make_recipe
from mnist_trainer.release.model_file import encode_model


@pytest.mark.parametrize("model", ["cnn", "mlp", "lenet5"])
def test_a_released_model_computes_what_the_trained_one_did(model):
    spec = ModelSpec(model, 7, 28, 28, 1)
    network = build(spec).eval()
    plan = TrainingPlan(spec, make_recipe(model, 100, 1, 8, 1, None), Normalisation(0.25, 0.5))
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    loaded = load_model(encode_model(weights, plan, 0.9), "here")
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    expected = network((torch.from_numpy(images)[:, None] / 255 - 0.25) / 0.5).softmax(1)
    torch.testing.assert_close(torch.from_numpy(probabilities(loaded, images)), expected)


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"PK\x03\x04" + b"x" * 100])
def test_other_files_are_no_model(data):
    with pytest.raises(InvalidConfigError, match="here is not a model"):
        load_model(data, "here")


def drawing(paper: int, ink: int, size: tuple[int, int] = (300, 200)) -> Image.Image:
    picture = Image.new("L", size, paper)
    ImageDraw.Draw(picture).line([(40, 30), (60, 170)], fill=ink, width=14)
    return picture


def test_ink_on_paper_and_the_reverse_look_the_same():
    dark, bright = (centred(np.asarray(drawing(*tones)), 28, 28) for tones in ((255, 0), (0, 255)))
    assert np.array_equal(dark, bright)
    rows = np.flatnonzero(dark.max(1) > 50)
    assert len(rows) in {19, 20}
    mass = dark.sum(1) / dark.sum()
    assert abs((mass * np.arange(28)).sum() - 13.5) < 1


def test_faint_ink_on_grey_paper():
    faint = centred(np.asarray(drawing(200, 150)), 28, 28)
    assert np.abs(faint.astype(int) - centred(np.asarray(drawing(255, 0)), 28, 28).astype(int)).max() < 40


def test_an_empty_sheet_has_no_ink():
    assert centred(np.full((50, 40), 230, np.uint8), 28, 28).max() == 0


def test_transparent_paper(tmp_path):
    picture = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle([40, 20, 60, 80], fill=(0, 0, 0, 255))
    picture.save(tmp_path / "bar.png")
    image = read_picture(tmp_path / "bar.png", ModelSpec("cnn", 10))
    assert image.shape == (28, 28)
    assert image[14, 14] > 200
    assert image[14, 2] == 0


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 30])
def test_other_files_are_no_picture(tmp_path, content):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(InvalidConfigError, match=r"x\.png: not a picture"):
        read_picture(path, ModelSpec("cnn", 10))
