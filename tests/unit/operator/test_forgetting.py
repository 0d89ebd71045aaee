"""What is remembered of trainings goes with them: memory is that of the trainings that are there."""

from __future__ import annotations

from typing import Any

from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.builders.context import Training
from mnist_operator.builders.identity import service_accounts
from mnist_operator.builders.metadata import ANNOTATION_HASH
from mnist_operator.reconcile.children import Children
from mnist_operator.reconcile.credentials import SourceSecrets


class Api:
    """Answers every request well and counts them."""

    def __init__(self) -> None:
        self.requests = 0

    async def get(self, path: str) -> dict[str, Any]:
        self.requests += 1
        data = {"AWS_ACCESS_KEY_ID": "eA==", "AWS_SECRET_ACCESS_KEY": "eA=="}
        return {"metadata": {"uid": "s", "resourceVersion": "1"}, "data": data}

    async def create(self, path: str, manifest: dict[str, Any], *, strict: bool) -> dict[str, Any]:
        self.requests += 1
        return manifest


def training(uid: str) -> Training:
    return Training(name=f"t-{uid}", namespace="ns", uid=uid, spec=MnistTrainingSpec())


async def test_credentials_are_remembered_until_their_training_is_gone() -> None:
    api, now = Api(), [0.0]
    secrets = SourceSecrets(api, clock=lambda: now[0])  # type: ignore[arg-type]
    for uid in ("a", "b", "a", "b"):
        await secrets.read(training(uid))
        now[0] += 2.0
    assert api.requests == 2
    secrets.retain({"b"})
    await secrets.read(training("b"))
    assert api.requests == 2
    await secrets.read(training("a"))
    assert api.requests == 3


async def test_children_are_remembered_until_their_training_is_gone() -> None:
    api = Api()
    children = Children(api)  # type: ignore[arg-type]
    manifest = service_accounts(training("a"))[0]
    assert ANNOTATION_HASH in manifest["metadata"]["annotations"]
    for _ in range(3):
        await children.ensure(training("a"), manifest)
    assert api.requests == 1
    children.retain(set())
    await children.ensure(training("a"), manifest)
    assert api.requests == 2
