"""How well `predict` reads photos of handwritten digits: pen on paper, uneven light, noise, blur, turned a little.

`python benchmarks/photo_accuracy.py --model MODEL --data FOLDER [--digits 300] [--seed 1]`

MODEL is a released model trained on MNIST (`model.safetensors` or `model.onnx`), FOLDER has MNIST's four files. Photos
of 1600x1200 pixels are rendered (`tests/support/photos.py`) from test digits of the first half; thresholds of the
preparation may be tuned on the second half (`--half second`), never on what is reported. The seed draws both.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from tests.support.photos import Scene, photograph  # noqa: E402

from mnist_trainer.data import load_folder  # noqa: E402
from mnist_trainer.inference.answers import Answer, Model, answer_drawing, probabilities  # noqa: E402
from mnist_trainer.inference.model_file import load_classifier  # noqa: E402
from mnist_trainer.inference.pictures import Drawing, find_character  # noqa: E402

_NOISE = 20
_SIGMA = 6.0


def main() -> None:
    """Render, classify, and print what came of it."""
    parser = argparse.ArgumentParser(description="Accuracy of predict on rendered photos.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--digits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", choices=("first", "second"), default="first")
    arguments = parser.parse_args()
    model = load_classifier(arguments.model.read_bytes(), str(arguments.model))
    dataset = load_folder(arguments.data)
    random = np.random.default_rng(arguments.seed)
    half = len(dataset.test_labels) // 2
    chosen = random.permutation(half)[: arguments.digits] + (half if arguments.half == "second" else 0)
    scenes = [Scene.random(random) for _ in chosen]
    began, spent, found = time.perf_counter(), 0.0, []
    for index, scene in zip(chosen, scenes, strict=True):
        photo = photograph(np.array(dataset.test_images[index]), scene, random)
        at = time.perf_counter()
        found.append(find_character(photo, model.spec.height, model.spec.width))
        spent += time.perf_counter() - at
    answers = _answers(model, found)
    truth = dataset.test_labels[chosen]
    right = np.array([answer.best.label for answer in answers]) == truth
    sure = np.array([not answer.doubt and not answer.is_blank for answer in answers])
    print(f"{len(chosen)} photos of test digits in {time.perf_counter() - began:.0f} s")
    print(f"preparing one photo        {1000 * spent / len(chosen):.0f} ms")
    print(f"right                      {100 * right.mean():.1f} % ({right.sum()})")
    print(f"wrong and doubtful         {(~right & ~sure).sum()}")
    print(f"wrong and sure             {(~right & sure).sum()}")
    print(f"right, but called doubtful {(right & ~sure).sum()}")
    for at in np.flatnonzero(~right):
        print(f"  a {truth[at]}: {answers[at]} {scenes[at]}")
    _noise_alone(model, random)


def _answers(model: Model, found: list[Drawing]) -> list[Answer]:
    shares = probabilities(model, np.stack([drawing.image for drawing in found]))
    return [
        answer_drawing(str(n), d, row, model.class_names) for n, (d, row) in enumerate(zip(found, shares, strict=True))
    ]


def _noise_alone(model: Model, random: np.random.Generator) -> None:
    found = []
    for _ in range(_NOISE):
        noisy = random.uniform(60, 220) + random.normal(0, _SIGMA, (1200, 1600, 3))
        found.append(find_character(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), 28, 28))
    sure = sum(not answer.is_blank and not answer.doubt for answer in _answers(model, found))
    blank = sum(drawing.is_blank for drawing in found)
    print(f"{_NOISE} pictures of noise (sigma {_SIGMA:g}) alone: {blank} empty, {sure} sure answers")


if __name__ == "__main__":
    main()
