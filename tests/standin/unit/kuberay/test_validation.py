"""What KubeRay refuses."""

from __future__ import annotations

from typing import Any

import pytest
from tests.standin.unit.kuberay.builders import cluster, rayjob
from tests.standin.unit.kuberay.recordings import objects

from mnist_local.kuberay import names, validation
from mnist_local.kuberay.validation import RefusedError


def _named(obj: dict[str, Any], name: str) -> dict[str, Any]:
    obj["metadata"]["name"] = name
    return obj


def test_what_a_real_kuberay_took_is_taken() -> None:
    real = objects()
    validation.check_raycluster(real["rayCluster"])
    validation.check_rayjob(real["rayJob"])


@pytest.mark.parametrize(
    ("instance", "event", "words"),
    [
        (_named(cluster(), "a" * 54), "InvalidRayClusterMetadata", "53 characters"),
        (cluster(rayVersion=""), "InvalidRayClusterSpec", "got none"),
        (cluster(rayVersion="nightly"), "InvalidRayClusterSpec", "got nightly"),
        (cluster(rayVersion="2.51.9"), "InvalidRayClusterSpec", "minimum Ray version"),
    ],
)
def test_refused_clusters(instance: dict[str, Any], event: str, words: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        validation.check_raycluster(instance)
    assert refusal.value.event == event
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"suspend": True}, "ClusterSelector mode doesn't support"),
        ({"backoffLimit": 1}, "BackoffLimit is incompatible"),
        ({"submissionMode": "SidecarMode"}, "HTTPMode, and K8sJobMode"),
        ({"clusterSelector": {"other": "x"}}, "only on an existing RayCluster"),
        ({"clusterSelector": {}, "rayClusterSpec": {"headGroupSpec": {}}}, "only on an existing RayCluster"),
    ],
)
def test_refused_jobs(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        validation.check_rayjob(rayjob(**fields))
    assert refusal.value.event == "InvalidRayJobSpec"
    assert words in str(refusal.value)


def test_job_names() -> None:
    validation.check_rayjob(_named(rayjob(), "a" * 47))
    with pytest.raises(RefusedError) as refusal:
        validation.check_rayjob(_named(rayjob(), "a" * 48))
    assert refusal.value.event == "InvalidRayJobMetadata"


def test_names_keep_their_limits() -> None:
    instance = _named(cluster(), "x" * 53)
    assert len(names.auth_secret(instance)) == 50
    assert len(names.pod_prefix("x" * 53, "group") + names.suffix()) <= 63
