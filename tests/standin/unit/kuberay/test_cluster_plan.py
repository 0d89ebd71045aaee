"""Which pods KubeRay deletes and creates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.standin.unit.kuberay.builders import cluster, group, head, pod

from mnist_local.kuberay import cluster_plan, cluster_status

SUSPENDING = {"conditions": [{"type": "RayClusterSuspending", "status": "True"}]}
SUSPENDED = {"conditions": [{"type": "RayClusterSuspended", "status": "True"}]}


def deleted(plan: cluster_plan.Plan) -> list[str]:
    return [deletion.pod["metadata"]["name"] for deletion in plan.deletions]


def test_new_cluster_gets_its_head_and_all_workers_at_once() -> None:
    plan = cluster_plan.plan(cluster(group(replicas=2)), [])
    assert [creation.group is None for creation in plan.creations] == [True, False, False]
    assert [creation.replica_index for creation in plan.creations[1:]] == [0, 1]
    assert plan.error is None


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_ended_head_is_deleted_and_nothing_else_happens_in_that_pass(phase: str) -> None:
    plan = cluster_plan.plan(cluster(group(replicas=2)), [head(phase=phase), pod("w", phase="Failed")])
    assert deleted(plan) == ["demo-head-abcde"]
    assert plan.creations == []
    assert plan.error is not None


def test_ended_worker_is_deleted_and_replaced_in_a_later_pass() -> None:
    instance = cluster(group(replicas=2))
    first = cluster_plan.plan(instance, [head(), pod("a"), pod("b", phase="Failed")])
    assert deleted(first) == ["b"]
    assert first.creations == []
    second = cluster_plan.plan(instance, [head(), pod("a", index=1)])
    assert [(creation.group or {})["groupName"] for creation in second.creations] == ["workers"]
    assert second.creations[0].replica_index == 0


def test_pod_whose_ray_ended_is_replaced_though_it_runs() -> None:
    worker = pod("w", terminated={"exitCode": 1})
    assert deleted(cluster_plan.plan(cluster(group()), [head(), worker])) == ["w"]


def test_scaling_down_takes_those_on_their_way_out_first() -> None:
    pods = [head(), pod("a"), pod("b"), pod("c", terminating=True)]
    plan = cluster_plan.plan(cluster(group(replicas=2)), pods)
    assert plan.deletions == []
    assert len(deleted(cluster_plan.plan(cluster(group(replicas=1)), pods))) == 1


def test_the_autoscaler_alone_takes_workers_away() -> None:
    pods = [head(), pod("a"), pod("b"), pod("c")]
    plan = cluster_plan.plan(cluster(group(replicas=1), enableInTreeAutoscaling=True), pods)
    assert deleted(plan) == []


def test_suspension_runs_to_its_end_even_when_taken_back() -> None:
    instance = cluster(group(), status=SUSPENDING, suspend=False)
    assert deleted(cluster_plan.plan(instance, [head(), pod("a"), pod("b", terminating=True)])) == [
        "demo-head-abcde",
        "a",
    ]


@pytest.mark.parametrize("fields", [{"status": SUSPENDED}, {"suspend": True}])
def test_no_pods_are_made_while_suspended(fields: dict[str, Any]) -> None:
    assert cluster_plan.plan(cluster(group(), **fields), []) == cluster_plan.Plan()


@given(
    wanted=st.integers(0, 5),
    alive=st.integers(0, 5),
    leaving=st.integers(0, 3),
)
def test_a_pass_never_overshoots(wanted: int, alive: int, leaving: int) -> None:
    instance = cluster(group(replicas=wanted))
    pods = [pod(f"a{n}", index=n) for n in range(alive)]
    pods += [pod(f"t{n}", terminating=True, index=alive + n) for n in range(leaving)]
    plan = cluster_plan.plan(instance, [head(), *pods])
    existing = len(pods) + len(plan.creations)
    assert existing <= max(wanted, len(pods))
    assert len(pods) - leaving - len(plan.deletions) + len(plan.creations) <= max(wanted, 0) or not plan.creations
    indices = [creation.replica_index for creation in plan.creations]
    assert len(set(indices)) == len(indices)
    assert not plan.deletions or not plan.creations


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"replicas": 1, "minReplicas": 2}, 2),
        ({"replicas": 9, "maxReplicas": 3}, 3),
        ({}, 1),
    ],
)
def test_desired_workers(fields: dict[str, Any], expected: int) -> None:
    assert cluster_status.desired_pods(group(**fields)) == expected
