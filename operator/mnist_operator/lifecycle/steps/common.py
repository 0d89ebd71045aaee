"""What several steps share."""

from __future__ import annotations

from typing import Literal

from mnist_operator.lifecycle.children import ClusterView, JobView
from mnist_operator.lifecycle.decision import (
    Action,
    Delete,
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


def scaling(facts: Facts) -> tuple[Action, ...]:
    """Keep an own cluster at the wished-for size."""
    cluster = facts.cluster
    return (ScaleCluster(cluster.name),) if cluster is not None and not facts.shared else ()


def explain_in(facts: Facts, created: str | None) -> float:
    """Return the seconds until the events of a child made at `created` are worth reading."""
    remaining = facts.policy.explain_after - facts.age(created)
    return remaining + 0.1 if remaining > 0 else facts.policy.explain_again
