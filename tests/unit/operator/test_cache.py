"""Caches fed by watches and by answers, in any order."""

from __future__ import annotations

from typing import Any

from mnist_operator.api.status import MnistTrainingStatus, Phase
from mnist_operator.cache import ClusterState, ObjectCache
from mnist_operator.reconcile import status_patch


def obj(version: int, uid: str = "u1", label: str = "t", **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": "ns", "name": "n", "uid": uid, "resourceVersion": str(version), "labels": {"of": label}}
    return {"metadata": metadata, "spec": spec}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    cache = ObjectCache()
    assert cache.put(obj(9, a=9))
    assert not cache.put(obj(8, a=8))
    assert not cache.put(obj(9, a=9))
    assert cache.put(obj(10, a=10))
    found = cache.get("ns", "n")
    assert found is not None
    assert found["spec"] == {"a": 10}


def test_what_was_deleted_stays_deleted() -> None:
    """A late answer to a write must not bring back an object whose deletion was seen."""
    cache = ObjectCache()
    cache.put(obj(5))
    cache.remove("ns", "n", "u1")
    assert not cache.put(obj(6))
    assert cache.put(obj(7, uid="u2"))


def test_the_deletion_of_a_former_object_leaves_its_successor() -> None:
    cache = ObjectCache()
    cache.put(obj(7, uid="u2"))
    cache.remove("ns", "n", "u1")
    assert cache.get("ns", "n") is not None


def test_objects_are_found_by_label_and_follow_it() -> None:
    cache = ObjectCache(index_label="of")
    cache.put(obj(1, label="a"))
    assert [found["metadata"]["name"] for found in cache.labelled("ns", "a")] == ["n"]
    cache.put(obj(2, label="b"))
    assert cache.labelled("ns", "a") == []
    assert len(cache.labelled("ns", "b")) == 1
    cache.remove("ns", "n")
    assert cache.labelled("ns", "b") == []


def finished(version: int = 1, **spec: Any) -> dict[str, Any]:
    status = {"phase": "Succeeded", "completionTime": "2026-01-01T00:00:00Z", "result": {"accuracy": 0.99}}
    return {**obj(version, **spec), "status": status}


def test_a_finished_training_rests_as_bytes_and_is_read_as_before() -> None:
    state = ClusterState()
    state.trainings.put({**obj(1), "status": {"phase": "Running"}})
    assert not state.rests("ns", "n")
    state.trainings.put(finished(2, training={"epochs": 3}))
    assert state.rests("ns", "n")
    (resting,) = state.trainings.resting()
    assert (resting.phase, resting.ended, resting.uid) == ("Succeeded", "2026-01-01T00:00:00Z", "u1")
    assert state.trainings.awake() == []
    found = state.trainings.get("ns", "n")
    assert found is not None
    assert (found["spec"], found["status"]["result"]) == ({"training": {"epochs": 3}}, {"accuracy": 0.99})
    assert not state.trainings.put(finished(2)), "a version that is known"
    assert state.trainings.put({**obj(3), "status": {"phase": "Running"}})
    assert not state.rests("ns", "n")


def test_one_that_was_changed_since_it_ended_rests_once_that_was_seen() -> None:
    state = ClusterState()
    changed = finished(2)
    changed["metadata"]["generation"], changed["status"]["observedGeneration"] = 2, 1
    state.trainings.put(changed)
    assert not state.rests("ns", "n")
    seen = finished(3)
    seen["metadata"]["generation"] = seen["status"]["observedGeneration"] = 2
    state.trainings.put(seen)
    assert state.rests("ns", "n")


def test_what_has_to_be_deleted_some_day_or_has_children_left_does_not_rest() -> None:
    state = ClusterState()
    state.trainings.put(finished(1, runPolicy={"ttlSecondsAfterFinished": 60}))
    assert not state.rests("ns", "n")
    state.trainings.put(finished(2))
    child = {"namespace": "ns", "name": "n-1", "uid": "j", "labels": {"mnist.training/training": "n"}}
    job = {"metadata": {**child, "resourceVersion": "1"}, "spec": {}, "status": {"jobDeploymentStatus": "Running"}}
    state.jobs.put(job)
    assert not state.rests("ns", "n")
    closed = {**job, "status": {"jobDeploymentStatus": "Complete"}}
    state.jobs.put({**closed, "metadata": {**child, "resourceVersion": "2"}})
    assert state.rests("ns", "n")
    assert [found["status"] for found in state.jobs.labelled("ns", "n")] == [closed["status"]]
    state.clusters.put({"metadata": {**child, "uid": "c", "resourceVersion": "1"}, "spec": {}})
    assert not state.rests("ns", "n")
    state.clusters.remove("ns", "n-1", "c")
    assert state.rests("ns", "n")
    state.trainings.remove("ns", "n", "u1")
    assert not state.rests("ns", "n")


def test_a_status_patch_has_only_what_changed_and_never_the_trainers_part() -> None:
    stored = {"phase": "Pending", "reason": "Old", "attempt": 1, "training": {"runId": "r"}, "rayJob": {"name": "a"}}
    wished = MnistTrainingStatus(phase=Phase.RUNNING, reason="New", attempt=1)
    assert status_patch(stored, wished, "7") == {
        "metadata": {"resourceVersion": "7"},
        "status": {"phase": "Running", "reason": "New", "rayJob": None},
    }
    assert (
        status_patch({"phase": "Running", "training": {"runId": "r"}}, MnistTrainingStatus(phase=Phase.RUNNING), "7")
        is None
    )


def test_kubectls_copy_of_the_object_is_not_kept() -> None:
    cache = ObjectCache()
    whole = obj(1)
    whole["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{...}", "mine": "kept"}
    cache.put(whole)
    found = cache.get("ns", "n")
    assert found is not None
    assert found["metadata"]["annotations"] == {"mine": "kept"}
    assert len(whole["metadata"]["annotations"]) == 2, "the object that was shown is as it was"
