"""The trainer's image does its work as KubeRay starts it: no capabilities, a read-only root, and /tmp to write to."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.images.conftest import build_arguments
from tests.support.s3 import rclone_binary
from tests.support.shipped import Engine, Identity, Image, ShippedProcess, always_stopped

TAG = "mnist-training/trainer:test"
ATTEMPTS = 3
RAY_GAVE_UP = "timed out during startup"
DIGITS = "/usr/share/mnist-training/digits"
USERS = {"the chart's user": Identity(1000, 100), "any user": Identity(1000680000, 0)}


@dataclass(frozen=True)
class Place:
    """A network of containers with a store in it."""

    engine: Engine
    env: dict[str, str]

    def image(self, *options: str) -> Image:
        """The image on this network, run with further options of the engine."""
        return Image(self.engine, TAG, ("--shm-size", "512m", *options))

    def run(self, identity: Identity, *command: str, seconds: float = 240.0) -> str:
        """Run a command in the image to its end, and return what it printed."""
        done = self.image().run(command, self.env, identity, seconds)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def network(engine: Engine | None) -> Iterator[Engine]:
    """The engine on a network of its own, with the image built."""
    if engine is None:
        pytest.fail("the trainer's image needs docker or podman; `make test-images IMAGES=operator` does not")
    engine.build("Dockerfile.trainer", TAG, build_arguments())
    name = f"mnist-{secrets.token_hex(4)}"
    assert engine.run("network", "create", name).returncode == 0
    yield Engine(engine.program, name)
    engine.run("network", "rm", name)


@pytest.fixture(scope="module")
def place(network: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """rclone as the store on that network, with the digits of the image in it."""
    folder = tmp_path_factory.mktemp("store")
    for bucket in ("datasets", "models"):
        (folder / bucket).mkdir()
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    store = f"{network.network}-store"
    done = network.run(
        *("run", "--rm", "--detach", "--network", network.network, "--name", store, "--user", "0"),
        *("-v", f"{rclone_binary()}:/rclone:ro", "-v", f"{folder}:/data", TAG),
        *("/rclone", "serve", "s3", "/data", "--addr", ":9000", "--auth-key", f"{key},{secret}"),
    )
    assert done.returncode == 0, done.stderr
    try:
        env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": f"http://{store}:9000"}
        made = Place(network, env)
        upload = ("mnistctl", "data", "upload", "--file", DIGITS, "--dataset", "s3://datasets/digits")
        made.run(USERS["the chart's user"], *upload)
        yield made
    finally:
        network.run("rm", "--force", store)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("user", USERS)
def test_it_trains_by_itself(user: str, place: Place) -> None:
    said = place.run(
        USERS[user],
        *("mnist-trainer", "train", "--name", "alone", "--epochs", "1", "--workers", "1"),
        *("--dataset", "s3://datasets/digits", "--output", f"s3://models/{user.split()[0]}"),
    )
    assert "Traceback" not in said
    assert "model.safetensors" in said


@contextlib.contextmanager
def node(start: Callable[[Path], ShippedProcess], up: Callable[[], bool], what: str, folder: Path) -> Iterator[None]:
    """A Ray node that is up; one whose start Ray gave up after its 30 s is started again, as KubeRay does."""
    for attempt in range(1, ATTEMPTS + 1):
        with always_stopped(start(folder / f"{what}-{attempt}.log")) as process:
            try:
                process.wait_for(up, f"the {what} to be up", 120)
            except AssertionError:
                if attempt == ATTEMPTS or RAY_GAVE_UP not in process.text():
                    raise
                continue
            yield
            return


@pytest.mark.timeout(900)
@pytest.mark.parametrize("user", USERS)
def test_a_head_and_a_worker_form_a_cluster_that_trains(user: str, place: Place, tmp_path: Path) -> None:
    identity, head = USERS[user], f"{place.engine.network}-head"
    # What a pod of the operator's adds by its environment.
    env = {**place.env, "RAY_USAGE_STATS_ENABLED": "0", "RAY_enable_worker_prestart": "1"}

    def starting(arguments: str, *options: str) -> Callable[[Path], ShippedProcess]:
        # KubeRay's own command line.
        command = ["/bin/bash", "-c", f"ulimit -n 65536; ray start {arguments} --block --metrics-export-port=8080"]
        return lambda log: place.image(*options).start(command, env, {}, identity, log)

    def healthy() -> bool:
        check = ("exec", head, "wget", "-q", "-O-", "http://127.0.0.1:8265/api/gcs_healthz")
        return "success" in place.engine.run(*check).stdout

    def joined() -> bool:
        nodes = place.engine.run("exec", head, "ray", "list", "nodes", "--format", "json")
        return nodes.stdout.count('"ALIVE"') == 2

    with (
        node(starting("--head --num-cpus=1 --dashboard-host=0.0.0.0", "--name", head), healthy, "head", tmp_path),
        node(starting(f"--address={head}:6379 --num-cpus=1"), joined, "worker", tmp_path),
    ):
        said = place.run(
            identity,
            *("ray", "job", "submit", "--address", f"http://{head}:8265", "--"),
            *("mnist-trainer", "train", "--name", "pair", "--epochs", "1", "--workers", "1"),
            *("--dataset", "s3://datasets/digits", "--output", f"s3://models/pair-{identity.uid}"),
        )
        assert "succeeded" in said
        assert "Traceback" not in said
