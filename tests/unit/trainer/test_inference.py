"""Released models load again; pictures of any kind become images like the training's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from tests.support.photos import Scene, photograph

from mnist_trainer.data.sources import enlarge
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.inference.answers import probabilities
from mnist_trainer.inference.model_file import load_model
from mnist_trainer.inference.pictures import Drawing, find_character, read_drawing
from mnist_trainer.models import build
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan, make_recipe
from mnist_trainer.release.files import encode_model


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


def find(grey: np.ndarray) -> Drawing:
    return find_character(Image.fromarray(grey).convert("RGB"), 28, 28)


def test_ink_on_paper_and_the_reverse_look_the_same():
    dark, bright = (find(np.asarray(drawing(*tones))).image for tones in ((255, 0), (0, 255)))
    assert np.abs(dark.astype(int) - bright.astype(int)).max() <= 2  # rounding
    rows = np.flatnonzero(dark.max(1) > 50)
    assert len(rows) in {19, 20}
    mass = dark.sum(1) / dark.sum()
    assert abs((mass * np.arange(28)).sum() - 13.5) < 1


def test_faint_ink_on_grey_paper():
    faint = find(np.asarray(drawing(200, 150))).image
    assert np.abs(faint.astype(int) - find(np.asarray(drawing(255, 0))).image.astype(int)).max() < 40


def test_an_empty_sheet_has_no_ink():
    assert find(np.full((50, 40), 230, np.uint8)).is_blank


@pytest.mark.parametrize("ink", [0, 255], ids=["black ink", "white ink"])
def test_transparent_paper(tmp_path, ink):
    picture = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle([40, 20, 60, 80], fill=(ink, ink, ink, 255))
    picture.save(tmp_path / "bar.png")
    drawing = read_drawing(tmp_path / "bar.png", ModelSpec("cnn", 10))
    assert drawing.image.shape == (28, 28)
    assert not drawing.is_blank
    assert drawing.image[14, 14] > 200
    assert drawing.image[14, 2] == 0


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 30])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_files_are_no_picture(tmp_path, content, channels):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(InvalidConfigError, match=r"x\.png: not a picture"):
        read_drawing(path, ModelSpec("cnn", 10, channels=channels))


def photo(seed: int) -> tuple[np.ndarray, Drawing]:
    """A real handwritten digit, drawn in black on white, and what is made of a photo of it in pen on paper."""
    random = np.random.default_rng(seed)
    digit = enlarge(load_digits().images[[seed]].astype(np.int64))[0]
    scene = replace(Scene.random(random), level=0.4, size=(800, 600))
    plain = replace(scene, pen=(0,) * 3, paper=(255,) * 3, gradient=0.0, vignette=0.0, noise=0.0, blur=0.0)
    drawn, taken = (find_character(photograph(digit, each, random), 28, 28) for each in (plain, scene))
    return drawn.image, taken


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation, one pixel aside or not."""
    shifted = (np.roll(other, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1))
    return max(float(np.corrcoef(one.ravel(), image.ravel())[0, 1]) for image in shifted)


@pytest.mark.parametrize("seed", range(10))
def test_a_photo_of_ink_on_paper_becomes_the_digit_that_was_written(seed):
    """Pens, papers, uneven light, noise and blur as a phone has them."""
    expected, found = photo(seed)
    assert alike(expected, found.image) > 0.95
    assert found.doubt == ""


def test_specks_are_dropped():
    picture = np.asarray(drawing(230, 20)).copy()
    expected = find(picture)
    picture[20:26, 250:256] = 60
    picture[180:184, 200:204] = 0
    assert np.array_equal(find(picture).image, expected.image)


@pytest.mark.parametrize("sigma", [2, 6, 20])
def test_noise_alone_is_an_empty_sheet(sigma):
    random = np.random.default_rng(0)
    for size in ((900, 1200), (28, 28)):
        noisy = (150 + random.normal(0, sigma, (*size, 3))).clip(0, 255).astype(np.uint8)
        assert find_character(Image.fromarray(noisy), 28, 28).is_blank


def test_light_that_falls_off_is_no_ink():
    light = np.linspace(110, 235, 400)[:, None] * np.linspace(1, 0.8, 300)[None]
    assert find(light.astype(np.uint8)).is_blank


@pytest.mark.parametrize(
    ("box", "why"),
    [((0, 50, 90, 90), "touches the border"), ((21, 21, 279, 179), "fills the picture"), ((100, 40, 120, 160), "")],
)
def test_what_cannot_be_one_character_with_room_around_it_is_doubtful(box, why):
    picture = Image.new("L", (300, 200), 220)
    ImageDraw.Draw(picture).rectangle(box, fill=30)
    doubt = find(np.asarray(picture)).doubt
    assert why in doubt
    assert bool(doubt) == bool(why)


def test_ink_of_the_paper_s_brightness_is_found_by_its_colour():
    grey = np.asarray(drawing(0, 255))
    rose = np.where(grey[..., None] > 127, np.uint8([225, 115, 150]), np.uint8([150, 150, 150]))
    assert alike(find_character(Image.fromarray(rose), 28, 28).image, find(grey).image) > 0.98
