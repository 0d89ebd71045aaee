"""What goes wrong is said on the training, and nothing that is not ours is touched."""

from __future__ import annotations

from tests.integration.operator.conftest import Scene
from tests.support.wait import wait_for


def test_a_missing_secret_is_told_and_waited_for(scene: Scene) -> None:
    scene.start_operator()
    scene.apply()
    status = scene.wait_status(phase="Pending", reason="SecretNotFound")
    assert f"Secret {scene.namespace}/minio-credentials" in status["message"]
    wait_for(lambda: scene.events() == ["SecretNotFound"], "the event, once")
    scene.add_secret()
    scene.wait_status(phase="Provisioning")


def test_a_secret_without_its_keys_is_told(scene: Scene) -> None:
    scene.start_operator()
    scene.add_secret(accesskey="x")
    scene.apply()
    status = scene.wait_status(reason="SecretInvalid")
    assert "key AWS_ACCESS_KEY_ID is missing, key AWS_SECRET_ACCESS_KEY is missing" in status["message"]


def test_a_child_of_somebody_else_is_left_alone(scene: Scene) -> None:
    secrets = f"/api/v1/namespaces/{scene.namespace}/secrets"
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mnist-storage", "labels": {"whose": "mine"}}}
    scene.kube.create(secrets, foreign)
    scene.start_operator()
    scene.add_secret()
    scene.apply()
    status = scene.wait_status(phase="Pending", reason="ChildConflict")
    assert "Secret" in status["message"]
    assert "does not belong to this training" in status["message"]
    live = scene.kube.get(f"{secrets}/mnist-storage")
    assert live is not None
    assert live["metadata"]["labels"] == {"whose": "mine"}
    assert "data" not in live
    assert scene.kube.items(scene.kuberay.clusters) == []
    scene.kube.delete(f"{secrets}/mnist-storage")
    scene.wait_status(phase="Provisioning")


def test_a_training_made_again_under_its_name_gets_children_of_its_own(scene: Scene) -> None:
    scene.start_operator()
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    first = scene.cluster()
    scene.kube.delete(f"{scene.trainings}/mnist")
    wait_for(lambda: scene.kube.get(f"{scene.trainings}/mnist") is None, "the training to go")
    again = scene.apply()
    scene.wait_cluster()
    assert scene.cluster() != first
    secret = scene.wait_exists(f"/api/v1/namespaces/{scene.namespace}/secrets/mnist-storage")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == again["metadata"]["uid"]


def test_bad_input_in_the_run_is_told_with_the_trainers_words(scene: Scene) -> None:
    scene.start_operator()
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    message = "s3://datasets/mnist/train-labels-idx1-ubyte: 59,999 labels for 60,000 images"
    scene.kuberay.report(
        "mnist", state="Failed", failure={"reason": "DatasetInvalid", "message": message, "retryable": False}
    )
    scene.kuberay.job_ends("mnist-1", well=False, message="exit code 65\nlast words")
    status = scene.wait_status(phase="Failed", reason="DatasetInvalid")
    assert status["message"] == message
    assert status["lastFailure"]["logTail"] == "exit code 65\nlast words"
    failed = next(condition for condition in status["conditions"] if condition["type"] == "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "DatasetInvalid")
    wait_for(lambda: "DatasetInvalid" in scene.events(), "the event")


def test_a_lost_cluster_is_noticed_even_when_nobody_watched(scene: Scene) -> None:
    operator = scene.start_operator()
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    operator.kill()
    scene.kube.delete(f"{scene.kuberay.clusters}/{scene.cluster()}")
    wait_for(lambda: scene.kube.get(f"{scene.kuberay.clusters}/{scene.cluster()}") is None, "the cluster to go")
    scene.start_operator()
    status = scene.wait_status(reason="Retrying")
    assert status["lastFailure"]["reason"] == "RayClusterLost"


def test_suspend_and_resume(scene: Scene) -> None:
    scene.start_operator()
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    scene.kube.merge(f"{scene.trainings}/mnist", {"spec": {"runPolicy": {"suspend": True}}})
    scene.wait_status(phase="Suspended")
    assert scene.kube.items(scene.kuberay.clusters) == []
    assert scene.kube.items(scene.kuberay.jobs) == []
    scene.kube.merge(f"{scene.trainings}/mnist", {"spec": {"runPolicy": {"suspend": False}}})
    scene.wait_cluster(2)
    status = scene.status()
    assert (status["attempt"], status["failures"]) == (2, 0)
