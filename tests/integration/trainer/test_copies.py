"""Two copies of a training at once, and credentials that change under a running one: at a real API server and store."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.bare_training import Bare
from tests.support.datasets import encode, small_dataset, write_folder
from tests.support.faulty_proxy import FaultyProxy
from tests.support.kube import Kube
from tests.support.s3 import S3Handle, start_s3
from tests.support.training_object import create, reported, set_attempt
from tests.support.wait import wait_for

from mnist_trainer.config import RunConfig, TrainingIdentity, parse_config
from mnist_trainer.errors import FailureReason


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Handle]:
    with start_s3(tmp_path, "datasets", "models") as handle:
        write_folder(handle.root / "datasets" / "tiny", encode(small_dataset(train=60, classes=4)))
        yield handle


def config(identity: TrainingIdentity | None, attempt: int = 1, endpoint: str | None = None) -> RunConfig:
    where = {"dataset": "s3://datasets/tiny", "output": f"s3://models/{identity.name if identity else 'alone'}"}
    training = identity.model_dump() if identity else None
    more = {"storage_endpoint": endpoint, "attempt": attempt, "training": training}
    return parse_config({**where, "model": "mlp", "epochs": 4, **more})


def release(s3: S3Handle, name: str) -> tuple[str, bytes]:
    """The run that made the release, and its model."""
    output = s3.root / "models" / name
    return json.loads((output / "MANIFEST.json").read_text())["runId"], (output / "model.safetensors").read_bytes()


@pytest.mark.parametrize("attempt", [1, 2], ids=["started again by KubeRay", "the next attempt"])
def test_a_copy_that_was_replaced_never_touches_what_users_see(
    bare: Bare, kube: Kube, pod_env: dict[str, str], s3: S3Handle, attempt: int
) -> None:
    name = f"copies-{attempt}"
    identity = create(kube, name)
    env = {**s3.env, **pod_env}

    def other_copy(epoch: int) -> None:
        if epoch != 2:
            return
        first = s3.root / "models" / name / "attempt-1"
        wait_for(lambda: list(first.rglob("epoch-00002.json")), "the first copy's checkpoint")
        set_attempt(kube, name, attempt)
        bare.run(config(identity, attempt), env)
        assert "going on after epoch 2" in bare.log.getvalue()

    error = bare.failure(config(identity), env, other_copy)
    assert (error.reason, error.exit_code) == (FailureReason.REPLACED, 76)
    run_id, model = release(s3, name)
    status = reported(kube, name)
    assert (status["runId"], status["state"], status["attempt"]) == (run_id, "Succeeded", attempt)
    bare.run(config(None), dict(s3.env))
    assert model == release(s3, "alone")[1]


def test_credentials_that_change_under_a_running_training(
    bare: Bare, kube: Kube, pod_env: dict[str, str], s3: S3Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store refuses the old ones first, and the training's Secret follows a moment later."""
    monkeypatch.setenv("MNIST_STORAGE_GIVE_UP_AFTER", "30")
    identity = create(kube, "rotated-live")
    secret = "/api/v1/namespaces/default/secrets"
    kube.create(secret, {"metadata": {"name": "rotated-live"}, "data": encoded(s3)})
    with start_s3(tmp_path, root=s3.root) as renewed, FaultyProxy(s3.endpoint) as proxy:

        def rotate(epoch: int) -> None:
            if epoch == 1:
                proxy.upstream = urlsplit(renewed.endpoint)
                threading.Thread(target=follow, args=(len(proxy.requests),), daemon=True).start()

        def follow(before: int) -> None:
            wait_for(lambda: len(proxy.requests) > before + 1, "requests that are refused")
            path = f"{secret}/rotated-live"
            kube.request("PATCH", path, {"data": encoded(renewed)}, content_type="application/merge-patch+json")

        bare.run(config(identity, endpoint=proxy.endpoint), {**s3.env, **pod_env}, rotate)
    assert reported(kube, "rotated-live")["state"] == "Succeeded"
    assert list((s3.root / "models" / "rotated-live").rglob("epoch-00004.json"))
    assert s3.env["AWS_SECRET_ACCESS_KEY"] not in bare.log.getvalue()


def encoded(handle: S3Handle) -> dict[str, str]:
    """A server's credentials as a Secret's data."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in handle.env.items()}
