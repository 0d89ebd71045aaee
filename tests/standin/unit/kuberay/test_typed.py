"""A typed update of a RayJob changes what a real KubeRay's changes, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.standin.unit.kuberay.builders import rayjob
from tests.standin.unit.kuberay.recordings import objects

from mnist_local.kuberay import typed


@pytest.mark.parametrize("name", ["rayJob", "rayCluster", "headPod", "workerPod", "headService"])
def test_what_typed_clients_wrote_is_not_changed_again(name: str) -> None:
    recorded = objects()[name]
    assert typed.updated(copy.deepcopy(recorded)) == recorded


def test_the_recorded_job_is_what_becomes_of_the_one_that_the_operator_made() -> None:
    recorded = objects()["rayJob"]
    made = copy.deepcopy(recorded)
    made["spec"] |= {"shutdownAfterJobFinishes": False, "suspend": False, "runtimeEnvYAML": "", "metadata": {}}
    template = made["spec"]["submitterPodTemplate"]
    template["metadata"]["annotations"] = {}
    template["spec"] |= {"tolerations": [], "nodeSelector": {}, "hostNetwork": False}
    container = template["spec"]["containers"][0]
    container["resources"] = {
        "limits": {"cpu": "1000m", "memory": "1024Mi"},
        "requests": {"cpu": 0.05, "memory": "256Mi"},
    }
    container["securityContext"]["capabilities"]["add"] = []
    container["workingDir"] = ""

    assert typed.updated(made) == recorded


def test_pointers_keep_their_zero_values() -> None:
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsUser": 0, "runAsNonRoot": False},
        "containers": [{"name": "c", "resources": {}, "securityContext": {}, "env": [{"name": "EMPTY"}]}],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    job = rayjob(submitterPodTemplate={"metadata": {"labels": {"empty": ""}}, "spec": pod})
    assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (0, 0)
    assert typed.updated(copy.deepcopy(job))["spec"] == job["spec"]


def test_structs_appear_and_empty_texts_of_variables_go() -> None:
    container = {"name": "c", "env": [{"name": "EMPTY", "value": ""}]}
    spec = typed.updated(rayjob(submitterPodTemplate={"spec": {"containers": [container]}}))["spec"]
    assert spec["submitterPodTemplate"] == {
        "metadata": {},
        "spec": {"containers": [{"name": "c", "env": [{"name": "EMPTY"}], "resources": {}}]},
    }


def test_metadata_is_unharmed() -> None:
    metadata: dict[str, Any] = rayjob()["metadata"] | {
        "creationTimestamp": "2026-11-21T05:47:31Z",
        "generation": 1,
        "finalizers": ["ray.io/rayjob-finalizer"],
        "annotations": {"empty": ""},
    }
    job = {**rayjob(), "metadata": {**metadata, "labels": {}}}
    assert typed.updated(job)["metadata"] == metadata
