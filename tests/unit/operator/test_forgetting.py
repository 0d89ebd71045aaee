"""What is remembered of trainings goes with them: memory is that of the trainings that are there."""

from __future__ import annotations

from typing import Any

from mnist_operator.actions import Actions
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.cache import ClusterState
from mnist_operator.children.support import service_accounts
from mnist_operator.children.training import ANNOTATION_HASH, Installation, Training
from mnist_operator.credentials import SourceSecrets
from mnist_operator.memory import Memories
from mnist_operator.owned import OwnedObjects, TrainingEvents


class Api:
    """Answers every request well and counts them."""

    def __init__(self) -> None:
        self.verbs: list[str] = []
        self.live: dict[str, Any] = {}

    @property
    def requests(self) -> int:
        return len(self.verbs)

    async def find(self, path: str) -> dict[str, Any]:
        self.verbs.append("GET")
        return self.live

    async def get(self, path: str) -> dict[str, Any]:
        self.verbs.append("GET")
        data = {"AWS_ACCESS_KEY_ID": "eA==", "AWS_SECRET_ACCESS_KEY": "eA=="}
        return {"metadata": {"uid": "s", "resourceVersion": "1"}, "data": data}

    async def create(self, path: str, manifest: dict[str, Any], *, strict: bool) -> dict[str, Any]:
        self.verbs.append("POST")
        return manifest


def training(uid: str) -> Training:
    return Training(name=f"t-{uid}", namespace="ns", uid=uid, spec=MnistTrainingSpec())


async def test_credentials_are_remembered_until_their_training_is_gone() -> None:
    api, now, memories = Api(), [0.0], Memories()
    secrets = SourceSecrets(api, memories, clock=lambda: now[0])  # type: ignore[arg-type]
    for uid in ("a", "b", "a", "b"):
        await secrets.read(training(uid))
        now[0] += 2.0
    assert api.requests == 2
    memories.retain({"b"})
    await secrets.read(training("b"))
    assert api.requests == 2
    await secrets.read(training("a"))
    assert api.requests == 3


def owned(api: Api, memories: Memories) -> OwnedObjects:
    return OwnedObjects(api, ClusterState(), memories, TrainingEvents(api))  # type: ignore[arg-type]


async def test_children_are_remembered_until_their_training_is_gone() -> None:
    api, memories = Api(), Memories()
    children = owned(api, memories)
    manifest = service_accounts(training("a"))[0]
    assert ANNOTATION_HASH in manifest["metadata"]["annotations"]
    for _ in range(3):
        await children.ensure(training("a"), manifest)
    assert api.requests == 1
    memories.retain(set())
    await children.ensure(training("a"), manifest)
    assert api.requests == 2


async def test_what_others_may_have_changed_is_looked_at_anew_and_not_made_again() -> None:
    api, memories = Api(), Memories()
    children = owned(api, memories)
    manifest = service_accounts(training("a"))[0]
    await children.ensure(training("a"), manifest)
    memories.of("a").forget()
    api.live = manifest
    await children.ensure(training("a"), manifest)
    assert api.verbs == ["POST", "GET"]


def test_all_that_is_remembered_of_a_training_is_in_one_place() -> None:
    """Whoever remembers something of a training elsewhere would have to forget it elsewhere, too."""
    api, memories = Api(), Memories()
    events = TrainingEvents(api)  # type: ignore[arg-type]
    state = ClusterState()
    for holder in (
        SourceSecrets(api, memories),  # type: ignore[arg-type]
        Actions(api, state, Installation(), memories, events),  # type: ignore[arg-type]
        owned(api, memories),
    ):
        kept = {name for name, value in vars(holder).items() if isinstance(value, dict | list | set)}
        assert kept <= {"_shared"}, "only what is shared by trainings, for a second"
