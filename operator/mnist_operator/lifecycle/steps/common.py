"""What several steps share."""

from __future__ import annotations

from typing import Literal

from mnist_operator.api.workers import ServiceType
from mnist_operator.children.cluster import ClusterView
from mnist_operator.children.job import JobView
from mnist_operator.lifecycle.decision import (
    Action,
    Delete,
    EnsureSupport,
    FindAddress,
    RestoreCluster,
    RestoreJob,
    ScaleCluster,
)
from mnist_operator.lifecycle.facts import Facts

# Clusters that are not ours are not watched.
SHARED_POLL = 10.0


def deletions(
    children: tuple[ClusterView, ...] | tuple[JobView, ...], kind: Literal["RayCluster", "RayJob"]
) -> tuple[Action, ...]:
    """Delete those of the children that are not going yet."""
    return tuple(Delete(kind, item.name, item.uid) for item in children if not item.deleting)


def readiness(facts: Facts) -> tuple[bool | None, str, str]:
    """Return status, reason and message of the condition ClusterReady, while there is a job."""
    cluster = facts.cluster
    if cluster is None:
        return (None, "Unknown", "")
    if cluster.usable:
        return (True, "Ready", f"RayCluster {cluster.name} is ready")
    what = "The head of RayCluster" if not cluster.head_ready else "RayCluster"
    return (False, "NotReady", f"{what} {cluster.name} is not ready")


def upkeep(facts: Facts, *, afresh: bool = False) -> tuple[Action, ...]:
    """Keep the children as they should be: an own cluster's size, and what somebody else changed by hand."""
    actions: list[Action] = [EnsureSupport(afresh)]
    cluster, job = facts.cluster, facts.job
    if cluster is not None and not facts.shared:
        actions.append(ScaleCluster(cluster.name))
        if cluster.queue is None:  # Kueue writes node selectors and tolerations of its own into what it admits
            actions.append(RestoreCluster(cluster.name))
        if wants_address(facts) and cluster.head_service:
            actions.append(FindAddress(cluster.head_service))
    if job is not None and facts.cluster_name is not None:
        actions.append(RestoreJob(job.attempt, facts.cluster_name))
    return tuple(actions)


def wants_address(facts: Facts) -> bool:
    """Whether the address of a load balancer is asked for and not known yet."""
    balanced = facts.spec.head.service_type is ServiceType.LOAD_BALANCER
    return balanced and not facts.shared and facts.observed.balancer is None


def explain_in(facts: Facts, created: str | None) -> float:
    """Return the seconds until the events of a child made at `created` are worth reading."""
    remaining = facts.policy.explain_after - facts.age(created)
    return remaining + 0.1 if remaining > 0 else facts.policy.explain_again
