"""What a data scientist does first: submit, look, change, delete."""

from __future__ import annotations

import pytest
from tests.support.scene import Scene

from mnist_client import (
    AsyncClient,
    Client,
    ConflictError,
    NotFoundError,
    RefusedError,
    Training,
    WorkersSpec,
)


def test_a_training_from_its_making_to_its_deletion(scene: Scene, client: Client) -> None:
    training = Training("mnist", epochs=3, workers=2, output="s3://models", labels={"team": "vision"})
    made = client.submit(training)
    assert (made.namespace, made.phase, made.spec.workers.replicas) == (scene.namespace, "Pending", 2)
    assert scene.get()["spec"]["training"]["epochs"] == 3
    assert client.apply(training)[0] == "unchanged"
    assert client.apply(training.replace(workers=WorkersSpec(replicas=4)))[0] == "configured"
    assert client.get("mnist").spec.workers.replicas == 4

    assert client.scale("mnist", 3).spec.workers.replicas == 3
    assert client.suspend(made).suspended
    assert client.suspend(made).object["metadata"]["generation"] == scene.get()["metadata"]["generation"]
    assert not client.resume("mnist").suspended

    client.submit(Training("other"))
    assert [item.name for item in client.list()] == ["mnist", "other"]
    assert [item.name for item in client.list(labels="team=vision")] == ["mnist"]
    assert {"mnist", "other"} <= {item.name for item in client.list(all_namespaces=True)}

    client.delete("mnist")
    assert [item.name for item in client.list()] == ["other"]
    client.delete("mnist", missing_ok=True)
    with pytest.raises(NotFoundError, match="there is no MnistTraining 'mnist'"):
        client.delete("mnist")


async def test_the_same_as_coroutines(scene: Scene, aclient: AsyncClient) -> None:
    await aclient.submit(Training("mnist", epochs=3))
    assert (await aclient.scale("mnist", 3)).spec.workers.replicas == 3
    assert [item.name for item in await aclient.list()] == ["mnist"]
    await aclient.delete("mnist")
    assert await aclient.list() == []


def test_a_dry_run_changes_nothing(scene: Scene, client: Client) -> None:
    asked = client.submit(Training("mnist"), dry_run=True)
    assert asked.spec.storage.dataset == "s3://datasets/mnist"
    assert scene.kube.get(f"{scene.trainings}/mnist") is None


def test_a_file_is_submitted_as_it_is(scene: Scene, client: Client) -> None:
    training = Training.from_yaml(scene.manifest(training={"epochs": 7}))
    assert client.submit(training).spec.training.epochs == 7
    again = client.get("mnist")
    assert client.apply(again)[0] == "unchanged", "what was read can be submitted again"


def test_what_the_server_refuses(scene: Scene, client: Client) -> None:
    with pytest.raises(RefusedError, match=r"is refused: .*minReplicas"):
        client.submit(Training("mnist", workers={"replicas": 2, "min_replicas": 5}))
    client.submit(Training("mnist", epochs=3))
    with pytest.raises(RefusedError, match="cannot be changed"):
        client.submit(Training("mnist", epochs=4))
    scene.status(phase="Failed")
    for change in (client.suspend, client.resume):
        with pytest.raises(RefusedError, match="has failed: there is nothing to suspend or resume"):
            change("mnist")


def test_fields_of_another_tool(scene: Scene, client: Client) -> None:
    with Client(manager="pipeline") as other:
        other.submit(Training("mnist", workers=2))
    with pytest.raises(ConflictError, match="another tool manages that"):
        client.submit(Training("mnist", workers=3))
    assert client.submit(Training("mnist", workers=3), force=True).spec.workers.replicas == 3
