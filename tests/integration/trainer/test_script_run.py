"""A script of the user's own: it finds what it was promised, its progress is told, and what it leaves is sealed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import psutil
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.support.kube import Kube
from tests.support.s3 import S3Handle, start_s3
from tests.support.scripts import Script, start_script
from tests.support.wait import wait_for

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts" / "trainer.json").read_text())
Start = Callable[..., Script]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "datasets", "models", "code") as handle:
        yield handle


@pytest.fixture
def start(tmp_path: Path, s3: S3Handle, kube: Kube, pod_env: dict[str, str]) -> Iterator[Start]:
    started: list[Script] = []

    def begin(name: str, code: str | None, *command: str, **more: object) -> Script:
        started.append(start_script(tmp_path, s3, kube, pod_env, name, code, *command, **more))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for script in started:
        script.stop()


GOOD = """
import os, sys, pathlib, mnist_report
for epoch in (1, 2):
    mnist_report.report(epoch=epoch, epochs=2, accuracy=0.5 + epoch / 10, loss=1 / epoch, f1=0.25 * epoch, why="text")
    print("epoch", epoch)
pathlib.Path(os.environ["OUTPUT_DIR"], "model.pt").write_bytes(b"weights")
pathlib.Path(os.environ["OUTPUT_DIR"], "plots").mkdir()
pathlib.Path(os.environ["OUTPUT_DIR"], "plots/loss.svg").write_text("<svg/>")
"""


def test_its_progress_is_told_and_its_output_sealed(start: Start) -> None:
    script = start("good", GOOD)
    assert script.wait() == 0, script.printed
    status = script.status
    jsonschema.validate(status, CONTRACT["statusTraining"])
    assert (status["state"], status["epoch"], status["epochs"], status["accuracy"]) == ("Succeeded", 2, 2, 0.7)
    assert (status["progressPercent"], status["loss"], status["metrics"]) == (100, 0.5, {"f1": 0.5})
    manifest = script.json("MANIFEST.json")
    files = {entry["name"]: entry for entry in manifest["files"]}
    reports = ["report.html", "tensorboard/events.out.tfevents"]
    assert sorted(files) == ["metrics.json", "model.pt", "plots/loss.svg", *reports]
    assert files["model.pt"]["sha256"] == hashlib.sha256(b"weights").hexdigest() == status["result"]["sha256"]
    assert files["model.pt"]["size"] == 7
    assert status["result"]["model"] == "s3://models/good/model.pt"
    assert (manifest["accuracy"], manifest["epochs"]) == (0.7, 2)
    metrics = script.json("metrics.json")
    assert [report["metrics"] for report in metrics["reports"]] == [{"f1": 0.25}, {"f1": 0.5}]
    assert metrics["epochs"][-1] == {"epoch": 2, "train_loss": 0.5, "accuracy": 0.7}
    assert "epoch 2" in script.log()
    assert "epoch 2" in script.printed
    page = (script.output / "report.html").read_text()
    assert page.count("<svg") == 3, "accuracy, loss and f1"
    assert status["result"]["report"] == "s3://models/good/report.html"
    curves = EventAccumulator(str(script.output / "tensorboard")).Reload()
    assert [(point.step, point.value) for point in curves.Scalars("f1")] == [(1, 0.25), (2, 0.5)]


def test_the_promised_variables_are_there_and_writing_to_output_by_hand_works(start: Start) -> None:
    names = [name for name in CONTRACT["code"]["environment"] if name != "OUTPUT_DIR"]
    code = f"""
    import io, json, os
    from urllib.parse import urlsplit
    from minio import Minio
    told = {{name: os.environ[name] for name in {names!r}}}
    told["cwd"], told["files"] = os.getcwd(), sorted(os.listdir())
    open("scratch.txt", "w").write("the folder may be written to")
    place = urlsplit(os.environ["OUTPUT"])
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    client = Minio(endpoint.netloc, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], secure=False,
                   region=os.environ["AWS_REGION"])
    body = json.dumps(told).encode()
    client.put_object(place.netloc, place.path[1:] + "/told.json", io.BytesIO(body), len(body))
    """
    script = start("promised", code, flags=("--workers", "3"))
    assert script.wait() == 0, script.printed
    told = script.json("told.json")
    assert (told["DATASET"], told["OUTPUT"]) == ("s3://datasets/tiny", "s3://models/promised")
    assert told["CHECKPOINTS"] == "s3://models/promised/checkpoints"
    assert (told["MNIST_ATTEMPT"], told["MNIST_WORKERS"], told["MNIST_NAME"]) == ("1", "3", "promised")
    assert told["RAY_TRAIN_CALLBACKS"] == "mnist_report.ray_train.MnistCallback"
    assert told["files"] == ["main.py"]
    assert [entry["name"] for entry in script.json("MANIFEST.json")["files"]] == ["metrics.json", "told.json"]


def test_code_from_an_archive_and_from_the_image(start: Start, s3: S3Handle, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("package/__main__.py", "import helper\nhelper.save('zip')")
        archive.writestr("helper.py", HELPER)
    (s3.root / "code" / "train.zip").write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    flags = ("--code-archive", "s3://code/train.zip", "--code-sha256", digest)
    zipped = start("zipped", None, "python", "-m", "package", flags=flags)
    image = tmp_path / "image"
    image.mkdir()
    (image / "helper.py").write_text(HELPER + "\nif __name__ == '__main__':\n    save('image')\n")
    imaged = start("imaged", None, "python", "-m", "helper", PYTHONPATH=str(image))
    assert (zipped.wait(), imaged.wait()) == (0, 0), zipped.printed + imaged.printed
    assert (zipped.output / "said.txt").read_text() == "zip"
    assert (imaged.output / "said.txt").read_text() == "image"


HELPER = """
import os, pathlib
def save(text):
    pathlib.Path(os.environ["OUTPUT_DIR"], "said.txt").write_text(text)
"""


def test_a_run_that_is_started_again_after_its_seal_runs_nothing(start: Start, kube: Kube) -> None:
    assert start("again", GOOD).wait() == 0
    flags = ("--output", "s3://models/again")
    second = start("again-2", GOOD, flags=flags)
    assert second.wait() == 0, second.printed
    assert "nothing to run" in second.printed
    assert second.status["result"]["model"] == "s3://models/again/model.pt"
    other = start("again-3", GOOD + "\n# changed", flags=flags)
    assert other.wait() == 2
    assert "already holds the result of another command or of other code" in other.failure["message"]


WAITING = """
import os, signal, subprocess, sys, time, pathlib
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
def stop(*_):
    print("going", flush=True)
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
print("waiting", os.getpid(), flush=True)
time.sleep(600)
"""


def test_a_suspension_reaches_the_script_and_nothing_of_it_is_left(start: Start) -> None:
    script = start("suspended", WAITING)
    wait_for(lambda: (script.output / "logs/attempt-1/driver.log").exists() and "waiting" in script.log(), "the start")
    family = psutil.Process(script.process.pid).children(recursive=True)
    assert len(family) == 2
    script.process.send_signal(signal.SIGTERM)
    assert script.wait(20) == CONTRACT["failureReasons"]["Interrupted"]["exitCode"]
    assert script.status["state"] == "Interrupted"
    assert "going" in script.printed
    _, alive = psutil.wait_procs(family, 10)
    assert alive == []


REPORTING = """
import time, mnist_report
for epoch in range(600):
    mnist_report.report(epoch=epoch)
    time.sleep(0.5)
"""


def test_a_process_that_was_replaced_ends_its_script_and_seals_nothing(start: Start, kube: Kube) -> None:
    script = start("replaced", REPORTING)
    wait_for(lambda: script.status.get("state") == "Training", "the start")
    path = "/apis/mnist.training/v1alpha1/namespaces/default/mnisttrainings/replaced/status"
    kube.request(
        "PATCH",
        path,
        {"status": {"training": {"runId": "another", "attempt": 1, "state": "Training"}}},
        content_type="application/merge-patch+json",
    )
    # The next report finds out, and where the script is silent the heartbeat.
    family = psutil.Process(script.process.pid).children(recursive=True)
    assert script.wait(100) == CONTRACT["failureReasons"]["Replaced"]["exitCode"]
    _, alive = psutil.wait_procs(family, 10)
    assert alive == []
    assert not (script.output / "MANIFEST.json").exists()


def test_the_credentials_are_only_in_the_environment(start: Start, s3: S3Handle) -> None:
    script = start("canary", "import os\nprint(dict(os.environ))\nopen(os.environ['OUTPUT_DIR'] + '/x', 'w')")
    assert script.wait() == 0, script.printed
    secret = s3.env["AWS_SECRET_ACCESS_KEY"]
    for text in (script.printed, script.log(), json.dumps(script.status), script.json("MANIFEST.json")):
        assert secret not in str(text)
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") is None


def test_a_figure_that_is_named_as_a_secret_is_left_out(start: Start) -> None:
    code = """
    import os, mnist_report
    mnist_report.report(epoch=1, **{os.environ["MY_TOKEN"]: 1.0, "f1": 0.5})
    open(os.environ["OUTPUT_DIR"] + "/x", "w").close()
    """
    script = start("named", code, MY_TOKEN="canary_of_a_secret")
    assert script.wait() == 0, script.printed
    assert script.status["metrics"] == script.json("metrics.json")["metrics"] == {"f1": 0.5}
