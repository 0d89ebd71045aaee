"""What counts as changed by somebody else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.test_builders import INSTALLATION, training

from mnist_operator.builders.raycluster import ray_cluster
from mnist_operator.reconcile.cache import ObjectCache
from mnist_operator.reconcile.drift import lacks, put_back, spec_digest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def spec() -> dict[str, Any]:
    return copy.deepcopy(ray_cluster(training(), "c", INSTALLATION)["spec"])


@given(VALUES)
def test_nothing_lacks_itself(value: Any) -> None:
    assert not lacks(value, copy.deepcopy(value))


def test_what_the_server_adds_is_no_drift() -> None:
    live = spec()
    live["upgradeStrategy"] = {"type": "None"}
    live["workerGroupSpecs"][0] |= {"numOfHosts": 1, "priority": 0}
    live["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    assert not lacks(spec(), live)


@pytest.mark.parametrize(
    "change",
    [
        lambda live: live["headGroupSpec"].update(serviceType="NodePort"),
        lambda live: live["headGroupSpec"]["template"]["spec"]["containers"][0].update(image="other"),
        lambda live: live["headGroupSpec"]["template"]["spec"]["containers"].append({"name": "more"}),
        lambda live: live["workerGroupSpecs"].clear(),
        lambda live: live.pop("authOptions"),
    ],
)
def test_what_others_change_is_drift_and_is_put_back(change: Any) -> None:
    live = spec()
    change(live)
    assert lacks(spec(), live)
    assert spec_digest(live) != spec_digest(spec())
    assert put_back(spec(), live) == spec()


def test_the_autoscalers_and_kueues_parts_are_theirs() -> None:
    live = spec()
    live["workerGroupSpecs"][0] |= {"replicas": 7, "scaleStrategy": {"workersToDelete": ["a"]}}
    live["suspend"] = True
    assert spec_digest(live) == spec_digest(spec())
    live["headGroupSpec"]["serviceType"] = "NodePort"
    restored = put_back(spec(), live)
    assert (restored["suspend"], restored["workerGroupSpecs"][0]["replicas"]) == (True, 7)
    assert restored["workerGroupSpecs"][0]["scaleStrategy"] == {"workersToDelete": ["a"]}
    assert restored["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_a_spec_is_looked_at_once_per_generation() -> None:
    seen: list[dict[str, Any]] = []

    def project(spec: dict[str, Any]) -> dict[str, Any]:
        seen.append(spec)
        return {"size": len(spec)}

    cache = ObjectCache(project)
    metadata = {"name": "c", "namespace": "n", "uid": "u", "generation": 1, "resourceVersion": "1"}
    for version, generation, spec in ((1, 1, {}), (2, 1, {}), (3, 2, {"a": 1}), (4, 2, {"a": 1})):
        cache.put({"metadata": {**metadata, "resourceVersion": str(version), "generation": generation}, "spec": spec})
    assert seen == [{}, {"a": 1}]
    found = cache.get("n", "c")
    assert found is not None
    assert found["spec"] == {"size": 1}
