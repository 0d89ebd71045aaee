"""A whole run against a real S3 server that misbehaves: it is outlived, or ends clearly, and never costs an epoch."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from tests.support.bare_training import Bare
from tests.support.datasets import encode, small_dataset, write_folder
from tests.support.faulty_proxy import DENIED, RESET, SLOW_DOWN, STALL, Fault, FaultyProxy
from tests.support.s3 import S3Handle, start_s3

from mnist_trainer.config import RunConfig, parse_config
from mnist_trainer.data import Dataset
from mnist_trainer.errors import FailureReason
from mnist_trainer.inference.model_file import load_model
from mnist_trainer.models import FirstCnn
from mnist_trainer.plan import TrainingPlan, former_plan, make_plan
from mnist_trainer.run.training_run import StopRequestedError

EPOCHS = 4
FULL = Fault(
    status=507, code="XMinioStorageFull", message="Storage backend has reached its minimum free drive threshold."
)
LOST_ANSWER = Fault(reset=True, after_forwarding=True)
CUT = Fault(drop_after=700)

Place = Callable[[str, str], bool]

PLACES: dict[str, Place] = {
    "listing": lambda method, path: method == "GET" and "list-type" in path and "prefix=tiny" in path,
    "dataset": lambda method, path: method == "GET" and "/datasets/tiny/train-images" in path,
    "checkpoint": lambda method, path: method == "PUT" and "/checkpoints/" in path and path.endswith(".safetensors"),
    "checkpoint manifest": lambda method, path: method == "PUT" and "/checkpoints/" in path and path.endswith(".json"),
    "staging": lambda method, path: method == "PUT" and "/attempt-" in path and path.endswith("/model.safetensors"),
    "publishing": lambda method, path: method == "PUT" and "/attempt-" not in path and path.endswith(".safetensors"),
    "last": lambda method, path: method == "PUT" and "/attempt-" not in path and path.endswith("/MANIFEST.json"),
    "resuming": lambda method, path: method == "GET" and "/checkpoints/" in path,
}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "datasets", "models") as handle:
        write_folder(handle.root / "datasets" / "tiny", encode(small_dataset(train=60, classes=4)))
        yield handle


@pytest.fixture
def proxy(s3: S3Handle) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3.endpoint) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough for a busy machine: what is slow here is not a fault."""
    monkeypatch.setenv("MNIST_STORAGE_READ_TIMEOUT", "2")
    monkeypatch.setenv("MNIST_STORAGE_GIVE_UP_AFTER", "30")


def config(name: str, proxy: FaultyProxy | None = None, **changes: object) -> RunConfig:
    values: dict[str, object] = {"dataset": "s3://datasets/tiny", "output": f"s3://models/{name}", "model": "mlp"}
    values |= {"epochs": EPOCHS, "storage_endpoint": proxy.endpoint if proxy else None, **changes}
    return parse_config(values)


def model(s3: S3Handle, name: str) -> str:
    """Digest of the released model, after a look at whether the release is whole."""
    output = s3.root / "models" / name
    for entry in json.loads((output / "MANIFEST.json").read_text())["files"]:
        assert hashlib.sha256((output / entry["name"]).read_bytes()).hexdigest() == entry["sha256"]
    return hashlib.sha256((output / "model.safetensors").read_bytes()).hexdigest()


def checkpoints(s3: S3Handle, name: str) -> list[str]:
    return sorted(path.stem for path in (s3.root / "models" / name).rglob("checkpoints/*.json"))


@pytest.fixture
def undisturbed(bare: Bare, s3: S3Handle) -> str:
    """The model of a run that nothing has disturbed."""
    if not (s3.root / "models" / "undisturbed").exists():
        bare.run(config("undisturbed"), s3.env)
    return model(s3, "undisturbed")


def each_time(proxy: FaultyProxy, fault: Fault, places: dict[str, Place], times: int) -> Counter[str]:
    """Let `fault` strike the first requests at each place; returns how often it struck where."""
    struck: Counter[str] = Counter()

    def strikes(method: str, path: str) -> bool:
        name = next((name for name, is_there in places.items() if is_there(method, path)), None)
        if name is None or struck[name] >= times:
            return False
        struck[name] += 1
        return True

    proxy.only, proxy.always = strikes, fault
    return struck


SOME = ("dataset", "checkpoint manifest", "last")
PASSING: dict[str, tuple[Fault, int, Iterable[str]]] = {
    "slow down": (SLOW_DOWN, 2, PLACES),
    "reset": (RESET, 2, PLACES),
    "lost answer": (LOST_ANSWER, 1, PLACES),
    "stall": (STALL, 1, SOME),  # each costs a read timeout
}


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_changes_nothing(bare: Bare, s3: S3Handle, proxy: FaultyProxy, undisturbed: str, kind: str) -> None:
    """Wherever it strikes: listing, dataset, checkpoints, manifests, release."""
    fault, times, where = PASSING[kind]
    name = f"passing-{kind.replace(' ', '-')}"
    places = {place: PLACES[place] for place in where if place != "resuming"}
    struck = each_time(proxy, fault, places, times)
    bare.run(config(name, proxy), s3.env)
    assert model(s3, name) == undisturbed
    assert struck == dict.fromkeys(places, times)


def test_a_large_dataset_whose_download_is_cut_in_the_middle(
    bare: Bare, s3: S3Handle, proxy: FaultyProxy, undisturbed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MNIST_DATASET_MEMORY_BYTES", "1000")
    monkeypatch.setenv("MNIST_SCRATCH_DIR", str(tmp_path))
    images = {"images": lambda method, path: method == "GET" and "images" in path}
    struck = each_time(proxy, CUT, images, 4)
    bare.run(config("large", proxy), s3.env)
    assert struck["images"] == 4
    assert model(s3, "large") == undisturbed


LASTING = {
    "unreachable dataset": ("dataset", SLOW_DOWN, FailureReason.STORE_UNREACHABLE),
    "refused dataset": ("dataset", DENIED, FailureReason.STORE_ACCESS_DENIED),
    "no room for the release": ("staging", FULL, FailureReason.OUT_OF_SPACE),
    "unreachable at the release": ("publishing", RESET, FailureReason.STORE_UNREACHABLE),
    "refused at the last moment": ("last", DENIED, FailureReason.STORE_ACCESS_DENIED),
}


@pytest.mark.parametrize("kind", LASTING)
def test_what_lasts_ends_clearly_and_the_next_run_goes_on(
    bare: Bare, s3: S3Handle, proxy: FaultyProxy, undisturbed: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_STORAGE_GIVE_UP_AFTER", "2.5")
    place, fault, reason = LASTING[kind]
    name = f"lasting-{kind.replace(' ', '-')}"
    proxy.only, proxy.always = PLACES[place], fault
    error = bare.failure(config(name, proxy), s3.env)
    assert error.reason is reason
    assert proxy.endpoint in error.message
    assert "\n" not in error.message
    assert not (s3.root / "models" / name / "MANIFEST.json").exists()
    done = checkpoints(s3, name)
    proxy.always = None
    bare.run(config(name, proxy, attempt=2), s3.env)
    assert model(s3, name) == undisturbed
    if done:
        assert f"going on after epoch {int(done[-1][-5:])}" in bare.log.getvalue()


@pytest.mark.parametrize("fault", [SLOW_DOWN, FULL, DENIED], ids=["unreachable", "full", "refused"])
@pytest.mark.parametrize("place", ["checkpoint", "checkpoint manifest"])
def test_a_store_that_takes_no_checkpoints_does_not_stop_a_training(
    bare: Bare,
    s3: S3Handle,
    proxy: FaultyProxy,
    undisturbed: str,
    fault: Fault,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MNIST_STORAGE_GIVE_UP_AFTER", "2.5")
    name = f"none-{fault.status}-{place.replace(' ', '-')}"
    proxy.only, proxy.always = PLACES[place], fault
    bare.run(config(name, proxy), s3.env)
    assert model(s3, name) == undisturbed
    assert checkpoints(s3, name) == []
    assert "is not saved: the object store at" in caplog.text


def stop_after(epoch: int) -> Callable[[int], None]:
    def hook(finished: int) -> None:
        if finished == epoch:
            raise StopRequestedError("stopped by SIGTERM")

    return hook


def test_a_stop_saves_what_is_on_its_way_and_the_resumed_run_gives_the_same_model(
    bare: Bare, s3: S3Handle, proxy: FaultyProxy, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(method: str, path: str) -> bool:
        if "/checkpoints/epoch-00002" in path:
            time.sleep(0.1)  # still under way when the stop comes
        return False

    proxy.only = slowly
    monkeypatch.setattr("mnist_trainer.run.training_run.LAST_WORDS", 20.0)  # for a busy machine
    error = bare.failure(config("stopped", proxy), s3.env, stop_after(2))
    assert error.exit_code == 75
    assert "epoch-00002" in checkpoints(s3, "stopped")

    proxy.only, proxy.always = PLACES["resuming"], SLOW_DOWN
    monkeypatch.setenv("MNIST_STORAGE_GIVE_UP_AFTER", "2.5")
    unreachable = bare.failure(config("stopped", proxy, attempt=2), s3.env)
    assert unreachable.reason is FailureReason.STORE_UNREACHABLE  # not a fresh start

    monkeypatch.setenv("MNIST_STORAGE_GIVE_UP_AFTER", "30")
    struck = each_time(proxy, CUT, {"resuming": PLACES["resuming"]}, 4)
    bare.run(config("stopped", proxy, attempt=3), s3.env)
    assert struck["resuming"] == 4
    assert "going on after epoch 2" in bare.log.getvalue()
    assert model(s3, "stopped") == undisturbed


def test_a_training_that_release_0_1_0_began_goes_on_with_its_own_network(
    bare: Bare, s3: S3Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_then(config: RunConfig, dataset: Dataset, code: str = "") -> TrainingPlan:
        former = former_plan(make_plan(config, dataset, code), config, dataset)
        assert former
        return former

    values: dict[str, object] = {"model": "cnn", "epochs": 3}
    with monkeypatch.context() as then:
        then.setattr("mnist_trainer.run.training_run.make_plan", as_then)
        then.setattr("mnist_trainer.run.training_run.LAST_WORDS", 20.0)
        bare.failure(config("began", **values), s3.env, stop_after(2))
    bare.run(config("began", attempt=2, **values), s3.env)
    assert "going on after epoch 2" in bare.log.getvalue()
    released = (s3.root / "models" / "began" / "model.safetensors").read_bytes()
    assert isinstance(load_model(released, "model.safetensors").network, FirstCnn)
    bare.run(config("began", attempt=3, **values), s3.env)
    assert "nothing to train" in bare.log.getvalue()
