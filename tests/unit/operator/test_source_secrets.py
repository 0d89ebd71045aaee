"""How often the Secret that trainings name is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_kube.errors import ApiError
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.children.training import Training
from mnist_operator.credentials import SourceSecrets
from mnist_operator.memory import Memories


class Api:
    """Has one version of every Secret, or none."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.version = "1"
        self.missing = False

    async def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if self.missing:
            raise ApiError(404, "NotFound", "no")
        data = {"AWS_ACCESS_KEY_ID": "eA==", "AWS_SECRET_ACCESS_KEY": "eA=="}
        return {"metadata": {"uid": "s", "resourceVersion": self.version}, "data": data}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secrets(api: Api, clock: Clock) -> SourceSecrets:
    return SourceSecrets(api, Memories(), fresh_for=300.0, clock=clock)  # type: ignore[arg-type]


def training(uid: str, namespace: str = "ns", secret: str = "minio-credentials") -> Training:
    spec = MnistTrainingSpec.model_validate({"storage": {"credentialsSecret": secret}})
    return Training(name=f"t-{uid}", namespace=namespace, uid=uid, spec=spec)


async def test_trainings_that_begin_together_share_what_was_read(secrets: SourceSecrets, api: Api) -> None:
    for number in range(100):
        assert (await secrets.read(training(str(number)))).version == "s/1"
    assert len(api.asked) == 1


async def test_another_secret_or_namespace_is_another_reading(secrets: SourceSecrets, api: Api) -> None:
    for one in (training("a"), training("b", namespace="other"), training("c", secret="other")):
        await secrets.read(one)
    assert len(set(api.asked)) == 3


async def test_a_training_that_begins_later_has_it_read_anew(secrets: SourceSecrets, api: Api, clock: Clock) -> None:
    await secrets.read(training("a"))
    clock.now, api.version = 1.5, "2"
    assert (await secrets.read(training("b"))).version == "s/2"


async def test_one_that_was_missing_is_asked_for_again(secrets: SourceSecrets, api: Api) -> None:
    api.missing = True
    assert (await secrets.read(training("a"))).problem is not None
    api.missing = False
    assert (await secrets.read(training("b"))).problem is None
    assert (await secrets.read(training("a"))).problem is None


async def test_credentials_that_the_store_refused_are_read_anew_once_a_report(secrets: SourceSecrets, api: Api) -> None:
    await secrets.read(training("a"))
    api.version = "2"
    assert (await secrets.read(training("a"), refusal="run-1")).version == "s/2"
    assert (await secrets.read(training("a"), refusal="run-1")).version == "s/2"
    assert len(api.asked) == 2
    await secrets.read(training("a"), refusal="run-2")
    assert len(api.asked) == 3
