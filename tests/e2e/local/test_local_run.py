"""`mnistctl local run` as a user types it: real API server, operator, KubeRay, Ray, torch and S3."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.live import LiveStack
from tests.support.processes import assert_none_left, kill_all, processes_of
from tests.support.wait import wait_for

from mnist_cli.local.objects import apply
from mnist_cli.local.run import addresses
from mnist_client.manifests import read
from mnist_kube import kubeconfig
from mnist_kube.client import KubeApi
from mnist_trainer.errors import InvalidConfigError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
EXAMPLES = Path(__file__).parents[3] / "examples"


class Run:
    """A running `mnistctl local run`."""

    def __init__(self, root: Path, manifest: Path, *arguments: str) -> None:
        self.root = root
        self.output = root.with_suffix(".out")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mnist_cli", "local", "run", str(manifest), "--dir", str(root), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={k: v for k, v in os.environ.items() if k != "KUBECONFIG"},
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait(self, seconds: float = 600) -> int:
        return self.process.wait(seconds)

    def until(self, text: str, seconds: float = 300) -> None:
        def there() -> bool:
            assert self.process.poll() is None, self.text()
            return text in self.text()

        wait_for(there, f"{text!r} in the output", seconds)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "stack"
    yield folder
    kill_all(processes_of(folder))


def manifest(folder: Path, **sections: object) -> Path:
    """The quickstart with some sections of its spec changed."""
    document = yaml.safe_load((EXAMPLES / "quickstart.yaml").read_text())
    for section, values in sections.items():
        if section == "name":
            document["metadata"]["name"] = values
        else:
            document["spec"].setdefault(section, {}).update(values)
    path = folder / "training.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_quickstart_succeeds_and_the_next_run_in_its_folder_can_be_interrupted(root: Path) -> None:
    first = Run(root, EXAMPLES / "quickstart.yaml")
    code = first.wait()
    text = first.text()
    assert code == 0, text
    assert "the 1,797 offline digits" in text
    assert "training, epoch 1/" in text
    final = json.loads((root / "status.json").read_text())
    assert final["kind"] == "MnistTraining"
    status = final["status"]
    assert status["phase"] == "Succeeded"
    assert status["result"]["accuracy"] >= 0.95
    model = root / "s3" / status["result"]["model"].removeprefix("s3://")
    assert hashlib.sha256(model.read_bytes()).hexdigest() == status["result"]["sha256"]
    assert status["result"]["model"] in text
    table = [line.split() for line in text.splitlines() if line.startswith(("NAME ", "quickstart "))]
    assert table[0][:2] == ["NAME", "PHASE"]
    assert table[1][:3] == ["quickstart", "Succeeded", "100"]
    assert_none_left(root)

    again = Run(root, manifest(root.parent, training={"epochs": 1000}))
    again.until("training, epoch 1/1000")
    assert "dataset s3://datasets/digits: already there" in again.text()
    again.process.send_signal(signal.SIGINT)
    assert again.wait(60) == 130
    assert "interrupted by SIGINT: the local stack was ended" in again.text()
    assert_none_left(root, 60)
    assert model.exists()


def test_killed_it_leaves_nothing(root: Path, tmp_path: Path) -> None:
    run = Run(root, manifest(tmp_path, training={"epochs": 1000}))
    wait_for(lambda: any("raylet" in command for command in processes_of(root).values()), "Ray to run", 300)
    run.process.kill()
    run.wait(60)
    assert_none_left(root, 60)


def test_a_closed_terminal_ends_it_before_it_trains(root: Path, tmp_path: Path) -> None:
    run = Run(root, manifest(tmp_path, training={"epochs": 1000}))
    run.until("the local stack is up")
    run.process.send_signal(signal.SIGHUP)
    assert run.wait(60) == 128 + signal.SIGHUP
    assert "interrupted by SIGHUP: the local stack was ended" in run.text()
    assert_none_left(root, 60)


def test_a_crash_of_a_part_while_training(root: Path, tmp_path: Path) -> None:
    """The part with all of Ray below it; that a crash of any other ends the stack is tested without a training."""
    run = Run(root, manifest(tmp_path, training={"epochs": 1000}))
    run.until("training, epoch 1/1000")
    state = json.loads((root / "stack.json").read_text())
    os.kill(next(p["pid"] for p in state["parts"] if p["name"] == "KubeRay"), signal.SIGKILL)
    assert run.wait(60) == 1
    assert "mnistctl: KubeRay ended by itself (killed by SIGKILL)" in run.text()
    assert f"log: {root}/logs/kuberay.log" in run.text()
    assert_none_left(root)


REFUSED = {
    "unknown field": ({"training": {"epoch": 3}}, 'unknown field "spec.training.epoch"'),
    "no epochs": ({"training": {"epochs": 0}}, "spec.training.epochs"),
    "malformed address": ({"storage": {"dataset": "datasets/digits"}}, "must look like s3://"),
    "malformed output": ({"storage": {"output": "s3://Not_A_Bucket/x"}}, "not a bucket name"),
    "name too long": ({"name": "n" * 43}, "at most 42 characters"),
    "unknown model": ({"training": {"model": "resnet"}}, "resnet"),
}


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED)
async def test_what_the_api_refuses_is_said_before_anything_is_made(
    stack: LiveStack, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    documents = read(manifest(tmp_path, **change))

    async def ask() -> None:
        addresses(documents[0])
        async with KubeApi(kubeconfig.load(stack.root / "kubeconfig")) as api:
            await apply(api, documents, dry_run=True)

    with pytest.raises(InvalidConfigError) as refused:
        await ask()
    assert says in refused.value.message
    assert "\n" not in refused.value.message


def test_what_the_api_refuses_is_one_line(root: Path, tmp_path: Path) -> None:
    run = Run(root, manifest(tmp_path, training={"epoch": 3}))
    assert run.wait(120) == 2, run.text()
    said = [line for line in run.text().splitlines() if line.startswith("mnistctl: ")]
    assert len(said) == 1
    assert 'unknown field "spec.training.epoch"' in said[0]
    assert_none_left(root)


def test_a_secret_that_nothing_can_bring_is_not_waited_for(root: Path, tmp_path: Path) -> None:
    run = Run(root, manifest(tmp_path, storage={"credentialsSecret": "nowhere"}))
    assert run.wait(120) == 2, run.text()
    (said,) = [line for line in run.text().splitlines() if line.startswith("mnistctl: ")]
    assert said.startswith(
        "mnistctl: quickstart: Secret default/nowhere, named in spec.storage.credentialsSecret, does"
    )
    assert "nothing in a local run can bring it: add it to the file" in said
    assert_none_left(root)


def test_a_failed_training_is_shown(root: Path, tmp_path: Path) -> None:
    impatient = {"name": "ray-head", "env": [{"name": "MNIST_STORAGE_GIVE_UP_AFTER", "value": "2"}]}
    change = {
        "storage": {"endpoint": "http://127.0.0.1:9"},
        "runPolicy": {"backoffLimit": 0},
        "head": {"template": {"spec": {"containers": [impatient]}}},
    }
    run = Run(root, manifest(tmp_path, **change))
    assert run.wait(300) == 1, run.text()
    assert "quickstart: failed: StoreUnreachable: " in run.text()
    assert str(root / "logs") in run.text()
    assert_none_left(root)
