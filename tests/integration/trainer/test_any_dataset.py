"""Number of classes, image size and channels come from the data: from the bucket to a release and a prediction."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from tests.support.bare_training import Bare
from tests.support.datasets import encode, write_folder
from tests.support.pictures import pictures, write_tree
from tests.support.s3 import S3Handle, start_s3

from mnist_trainer.config import parse_config
from mnist_trainer.data.convert import ConvertOptions, convert
from mnist_trainer.data.files import Role
from mnist_trainer.inference.answers import probabilities
from mnist_trainer.inference.model_file import load_model
from mnist_trainer.inference.pictures import read_drawing


def striped(classes: int, shape: tuple[int, ...], each: int, first: int = 0) -> dict[Role, np.ndarray]:
    """Each class has its own coarse pattern of bright and dark, which survives rotation and shift."""
    height, width, *channels = shape
    coarse = 255 * np.random.default_rng(0).integers(0, 2, (classes, 4, 4, *channels), dtype=np.uint8)
    patterns = coarse[:, np.arange(height) * 4 // height][:, :, np.arange(width) * 4 // width]
    labels = np.tile(np.arange(classes), each)
    noise = np.random.default_rng(1).integers(0, 20, (len(labels), *shape))
    images = (patterns[labels] // 2 + noise).astype(np.uint8)
    labels = (labels + first).astype(np.uint8)
    tests = slice(0, 2 * classes)
    return {
        Role.TRAIN_IMAGES: images,
        Role.TRAIN_LABELS: labels,
        Role.TEST_IMAGES: images[tests],
        Role.TEST_LABELS: labels[tests],
    }


SETS: dict[str, tuple[str, int, tuple[int, ...], int, str]] = {
    "EMNIST by class": ("cnn", 62, (28, 28), 0, "emnist-byclass-"),
    "EMNIST letters": ("mlp", 26, (28, 28), 1, "emnist-letters-"),
    "colour 32x32, LeNet": ("lenet5", 10, (32, 32, 3), 0, ""),
    "opacity, not square": ("cnn", 3, (20, 33, 4), 0, ""),
    "one channel said": ("mlp", 4, (9, 7, 1), 0, ""),
}


CLASSES = ("left", "middle", "right")


def plain(name: str) -> str:
    """A name for a folder in a bucket."""
    return "".join(filter(str.isalnum, name)).lower()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    folder = tmp_path_factory.mktemp("s3")
    for kind, (_, classes, shape, first, prefix) in SETS.items():
        files = encode(striped(classes, shape, max(4, 240 // classes), first))
        named = {prefix + key.replace("t10k", "test" if prefix else "t10k"): data for key, data in files.items()}
        write_folder(folder / "s3" / "datasets" / plain(kind), named)
    source = write_tree(folder / "pictures", pictures(CLASSES, each=40, colour=True))
    convert(source, folder / "s3" / "datasets" / "pictures", ConvertOptions(height=32, width=32, channels=3))
    with start_s3(folder, "datasets", "models") as handle:
        yield handle


@pytest.mark.parametrize("kind", SETS)
def test_trains_and_releases(bare: Bare, s3: S3Handle, kind: str) -> None:
    network, classes, shape, first, _ = SETS[kind]
    name = plain(kind)
    values = {"dataset": f"s3://datasets/{name}", "output": f"s3://models/{name}", "model": network, "epochs": 6}
    result = bare.run(parse_config({**values, "batch_size": 16}), s3.env)
    assert result["accuracy"] >= 2 / classes
    release = s3.root / "models" / name
    metrics = json.loads((release / "metrics.json").read_text())
    assert metrics["model"] == {
        "name": network,
        "classes": classes + first,
        "height": shape[0],
        "width": shape[1],
        "channels": shape[2] if len(shape) == 3 else 1,
    }
    assert len(metrics["confusionMatrix"]) == classes + first
    # Mistakes are shown as pictures.
    assert result["accuracy"] == 1 or "data:image/png;base64," in (release / "report.html").read_text()


def test_from_pictures_to_a_prediction(bare: Bare, s3: S3Handle) -> None:
    """What `data convert` makes is trained on, and the model then knows such a picture."""
    values = {"dataset": "s3://datasets/pictures", "output": "s3://models/pictures", "model": "cnn", "epochs": 8}
    assert bare.run(parse_config({**values, "batch_size": 16}), s3.env)["accuracy"] == 1.0
    model = load_model((s3.root / "models" / "pictures" / "model.safetensors").read_bytes(), "the model")
    for label, folder in enumerate(CLASSES):
        picture = read_drawing(s3.root.parent / "pictures" / folder / "007.png", model.spec).image
        assert probabilities(model, picture[None])[0].argmax() == label
