"""Tools on results, as a user runs them: against a real store, on a model that has learned something."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import torch
from PIL import Image, ImageOps
from tests.support.s3 import S3Handle, start_s3
from tests.unit.trainer.release_support import small_training
from torch.nn import functional

from mnist_cli.__main__ import main
from mnist_trainer.config import parse_config
from mnist_trainer.data import Dataset, load_folder
from mnist_trainer.data.files import CLASSES_FILE, encode_class_names
from mnist_trainer.data.sources import write_digits
from mnist_trainer.inference.export import encode_weights_as_onnx
from mnist_trainer.models import build
from mnist_trainer.naming import RunPlace
from mnist_trainer.plan import make_plan
from mnist_trainer.release.build import RunFacts, build_files
from mnist_trainer.release.publish import publish, stage
from mnist_trainer.store import ObjectStore, StoreSettings

pytestmark = pytest.mark.timeout(300)  # it trains two small models, and other tests run beside it
MODEL = "s3://models/ns/digits/uid-2"
RUNS = "s3://models/ns"
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@dataclass
class Site:
    """A store with the digits, two sealed runs and one that is not."""

    s3: S3Handle
    digits: Dataset

    def stored(self) -> set[str]:
        root = self.s3.root / "models"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    with start_s3(directory, "datasets", "models") as s3:
        folder = s3.root / "datasets" / "digits"
        write_digits(folder)
        (folder / CLASSES_FILE).write_bytes(encode_class_names(dict(enumerate(NAMES))))
        digits = load_folder(folder)
        store = ObjectStore(StoreSettings.from_env(s3.env))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # tests run beside each other
        for number, steps in ((1, 2), (2, 25)):
            release(store, digits, number, steps, sealed=True)
        release(store, digits, 3, 1, sealed=False)
        torch.set_num_threads(threads)
        (s3.root / "models/ns/digits/uid-1/notes.txt").write_text("mine")
        yield Site(s3, digits)


def release(store: ObjectStore, digits: Dataset, number: int, steps: int, sealed: bool) -> None:
    """Publish a perceptron after some steps over all images at once."""
    output = f"s3://models/ns/digits/uid-{number}"
    config = parse_config({"dataset": "s3://datasets/digits", "output": output, "model": "mlp", "seed": number})
    plan, place = make_plan(config, digits), RunPlace(config.output_address, 1, f"r{number}")
    torch.manual_seed(number)
    network = build(plan.spec)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    norm = plan.normalisation
    images, tests = (
        (torch.tensor(array)[:, None] / 255 - norm.mean) / norm.std
        for array in (digits.train_images, digits.test_images)
    )
    labels = torch.tensor(digits.train_labels).long()
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    shares = network(tests).detach().softmax(1)
    predicted = shares.argmax(1).numpy()
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    finished = replace(
        small_training(digits),
        weights=weights,
        accuracy=float((predicted == digits.test_labels).mean()),
        predictions=predicted,
        confidences=shares.max(1).values.double().numpy(),
        true_confidences=shares.numpy()[np.arange(len(predicted)), digits.test_labels].astype(np.float64),
        onnx=encode_weights_as_onnx(weights, plan, 0.5),
    )
    files, manifest = build_files(RunFacts(config, plan, place, {"trained": 1.7e9}), digits, finished)
    stage(store, place, files, manifest)
    if sealed:
        publish(store, place, manifest)


@pytest.fixture
def ctl(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `mnistctl`: its exit code, stdout and stderr."""
    for name, value in site.s3.env.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_list(ctl):
    code, out, _ = ctl("runs", "list", RUNS)
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert [line[:2] for line in lines[1:]] == [
        ["digits/uid-1", "Sealed"],
        ["digits/uid-2", "Sealed"],
        ["digits/uid-3", "Unsealed"],
    ]
    runs = json.loads(ctl("runs", "list", "s3://models", "-o", "json")[1])
    assert runs[1]["accuracy"] > runs[0]["accuracy"]
    assert runs[2]["accuracy"] is None
    assert ctl("runs", "list", "s3://models/elsewhere")[:2] == (0, "")


def test_show(ctl, site):
    code, out, _ = ctl("runs", "show", MODEL)
    assert code == 0
    assert "SHA256" in out
    assert "tensorboard/events.out.tfevents" in out
    shown = json.loads(ctl("runs", "show", MODEL, "--output", "json")[1])
    assert shown["metrics"]["accuracy"] == shown["accuracy"]
    assert {entry["name"] for entry in shown["files"]} <= {
        key.removeprefix("ns/digits/uid-2/") for key in site.stored()
    }
    assert "Unsealed" in ctl("runs", "show", "s3://models/ns/digits/uid-3")[1]


def test_compare(ctl):
    code, out, _ = ctl("runs", "compare", "s3://models/ns/digits/uid-1", MODEL)
    assert code == 0
    assert "config.seed" in out
    assert "config.dataset" not in out
    fields = json.loads(ctl("runs", "compare", "s3://models/ns/digits/uid-1", MODEL, "-o", "json")[1])["fields"]
    assert fields["config.seed"] == [1, 2]


def test_evaluate(ctl, site):
    code, out, _ = ctl("evaluate", "--model", MODEL, "--dataset", "s3://datasets/digits")
    assert code == 0
    assert "confusion matrix" in out
    assert len(out.splitlines()) == 3 + site.digits.classes
    report = json.loads(ctl("evaluate", "--model", MODEL, "--dataset", "s3://datasets/digits", "--json")[1])
    manifest = json.loads((site.s3.root / "models/ns/digits/uid-2/MANIFEST.json").read_text())
    assert report["accuracy"] == pytest.approx(manifest["accuracy"])
    assert sum(map(sum, report["confusion"])) == len(site.digits.test_labels)


def test_predict(ctl, site, tmp_path):
    """Ten digits as photographs of paper, and as chalk on a board, in sizes that the model has never seen."""
    files, truth = [], []
    for label in range(10):
        index = int(np.flatnonzero(site.digits.test_labels == label)[1])
        ink = Image.fromarray(np.array(site.digits.test_images[index])).resize((170, 170), Image.Resampling.BICUBIC)
        board = Image.new("L", (400, 300), 0)
        board.paste(ink, (40 + 10 * label, 60))
        for name, picture in (("chalk", board), ("paper", ImageOps.invert(board))):
            files.append(tmp_path / f"{label}-{name}.png")
            picture.convert("RGB").save(files[-1])
            truth.append(label)
    Image.new("L", (90, 50), 255).save(tmp_path / "empty.png")
    code, out, _ = ctl("predict", "--model", MODEL, "--json", *map(str, files), str(tmp_path / "empty.png"))
    *answers, empty = json.loads(out)
    assert code == 0
    assert empty["blank"]
    said = [answer["class"] for answer in answers]
    assert said[::2] == said[1::2]  # paper or board makes no difference
    assert np.mean(np.array(said) == truth) >= 0.8
    assert all(0 < answer["confidence"] <= 1 for answer in answers)
    text = ctl("predict", "--model", MODEL, str(files[0]), str(tmp_path / "empty.png"))[1].splitlines()
    assert "% sure" in text[0]
    assert f": {said[0]} ({NAMES[said[0]]})  (" in text[0]
    assert [answer["name"] for answer in answers] == [NAMES[number] for number in said]
    assert text[1].endswith("empty.png: nothing is drawn there")


def test_predict_answers_for_the_pictures_that_can_be_read_and_names_the_others(ctl, site, tmp_path):
    good = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in good:
        Image.fromarray(255 - np.array(site.digits.test_images[3])).save(path)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"<html>")
    code, out, err = ctl("predict", "--model", MODEL, str(good[0]), str(bad), str(good[1]))
    assert code == 2
    assert [line.partition(":")[0] for line in out.splitlines()] == list(map(str, good))
    assert err.count("\n") == 1
    assert f"{bad}: not a picture that can be read" in err
    code, out, _ = ctl("predict", "--json", "--model", MODEL, str(good[0]), str(bad), str(good[1]))
    answers = json.loads(out)
    assert code == 2
    assert [answer["file"] for answer in answers] == [str(good[0]), str(bad), str(good[1])]
    assert ["error" in answer for answer in answers] == [False, True, False]
    assert answers[0]["class"] == answers[2]["class"]


def test_a_picture_that_gives_reason_to_doubt_is_never_a_sure_answer(ctl, site, tmp_path):
    edge = Image.new("L", (300, 300), 235)
    edge.paste(20, (120, 150, 150, 300))
    edge.save(tmp_path / "edge.png")
    (answer,) = json.loads(ctl("predict", "--json", "--model", MODEL, str(tmp_path / "edge.png"))[1])
    assert answer["doubtful"]
    assert "touches the border" in answer["doubt"]
    assert "(doubtful: ink touches the border" in ctl("predict", "--model", MODEL, str(tmp_path / "edge.png"))[1]


def test_the_onnx_model_gives_the_same_answers(ctl, site, tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(files):
        Image.fromarray(np.array(site.digits.test_images[number])).save(path)
    shutil.copy(site.s3.root / "models/ns/digits/uid-2/model.onnx", tmp_path / "other name")
    answers = []
    for model in (MODEL, f"{MODEL}/model.onnx", str(tmp_path / "other name")):
        code, out, _ = ctl("predict", "--json", "--model", model, *map(str, files))
        assert code == 0
        answers.append(json.loads(out))
    for one, *others in zip(*answers, strict=True):
        for other in others:
            assert (other["class"], other["name"], other["blank"]) == (one["class"], one["name"], one["blank"])
            assert other["confidence"] == pytest.approx(one["confidence"], abs=1e-4)
    code, _, err = ctl("export", "--model", f"{MODEL}/model.onnx", str(tmp_path / "model.pt"))
    assert code == 2
    assert "give model.safetensors" in err


def test_names_of_classes_are_in_everything_that_is_released(site):
    run = site.s3.root / "models/ns/digits/uid-2"
    facts = {entry.key: entry.value for entry in onnx.load(run / "model.onnx").metadata_props}
    assert json.loads(facts["classNames"]) == NAMES
    with safetensors.safe_open(run / "model.safetensors", "np") as opened:
        assert json.loads(opened.metadata()["classNames"]) == NAMES
    assert json.loads((run / "metrics.json").read_text())["dataset"]["classNames"] == NAMES
    assert json.loads((run / "MANIFEST.json").read_text())["dataset"]["classNames"] == NAMES
    page = (run / "report.html").read_text()
    assert "<td>7 (seven)</td>" in page
    assert "<th>7 (seven)</th>" in page


def test_export(ctl, site, tmp_path):
    images = np.array(site.digits.test_images[:5])[:, None]
    for name in ("model.onnx", "model.pt"):
        code, _, _ = ctl("export", "--model", MODEL, str(tmp_path / name))
        assert code == 0
    logits, shares = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"images": images})
    scripted = torch.jit.load(tmp_path / "model.pt")(torch.from_numpy(images))
    np.testing.assert_allclose(scripted[0].numpy(), logits, atol=1e-4)
    np.testing.assert_allclose(scripted[1].numpy(), shares, atol=1e-5)
    assert list(tmp_path.glob(".*")) == []


BAD = [
    (("runs", "list", "models"), "s3://bucket/path"),
    (("runs", "list", RUNS, "-o", "yaml"), "text or json"),
    (("runs", "list", "s3://absent-bucket"), "absent-bucket"),
    (("runs", "show", RUNS), "holds 3 runs"),
    (("runs", "show", "s3://models/elsewhere"), "no run at"),
    (("runs", "compare", MODEL), "at least two"),
    (("runs", "compare", MODEL, "s3://models/ns/digits/uid-3"), "not sealed"),
    (("runs", "prune", RUNS), "--keep"),
    (("runs", "prune", RUNS, "--keep", "-1"), "--keep"),
    (("runs", "prune", RUNS, "--keep", "1", "--yes", "--dry-run"), "either"),
    (("evaluate", "--model", "nowhere", "--dataset", "s3://datasets/digits"), "cannot read the model nowhere"),
    (("evaluate", "--model", "s3://models/ns", "--dataset", "s3://datasets/digits"), "no such object"),
    (("evaluate", "--model", MODEL, "--dataset", "s3://datasets/absent"), "no dataset there"),
    (("predict", "--model", MODEL, "nothing.png"), "nothing.png"),
    (("export", "--model", MODEL, "model.xyz"), "--to onnx"),
    (("export", "--model", MODEL, "/nowhere/model.onnx"), "/nowhere/model.onnx"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), BAD, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_bad_input_is_one_line(ctl, arguments, words):
    code, out, err = ctl(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1, err
    assert words in err


def test_the_trainer_s_own_command_has_them_too(site, tmp_path):
    def trainer(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mnist_trainer", *arguments]
        return subprocess.run(command, env=site.s3.env, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    assert "digits/uid-1" in trainer("runs", "list", RUNS).stdout
    refused = trainer("runs", "prune", RUNS, "--keep", "many")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_help_starts_without_anything_heavy():
    heavy = {"numpy", "torch", "ray", "minio", "PIL", "onnx", "tensorboard", "mlflow", "jinja2"}
    code = (
        "import sys, typer\nfrom mnist_trainer.cli.app import app\n"
        f"app(['runs', '--help'], standalone_mode=False)\nprint(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr.strip() == "[]"
    assert "prune" in ran.stdout


def test_prune_last(ctl, site):
    """Last, because it deletes: without --yes nothing goes, then only what was announced."""
    before = site.stored()
    code, out, _ = ctl("runs", "prune", RUNS, "--keep", "1")
    assert code == 0
    assert "digits/uid-1" in out
    assert out.splitlines()[-1] == "nothing was deleted: --yes deletes"
    assert site.stored() == before
    planned = json.loads(ctl("runs", "prune", RUNS, "--keep", "1", "-o", "json")[1])
    assert planned["deleted"] is False
    code, _, err = ctl("runs", "prune", RUNS, "--keep", "1", "--yes")
    gone = before - site.stored()
    assert code == 0
    assert gone == {key for key in before if key.startswith("ns/digits/uid-1/")} - {"ns/digits/uid-1/notes.txt"}
    assert f"deleted {len(gone)} objects" in err
    assert len(gone) == planned["deletions"][0]["objects"]
    assert ctl("runs", "prune", RUNS, "--keep", "1", "--yes")[1] == "nothing to delete\n"
