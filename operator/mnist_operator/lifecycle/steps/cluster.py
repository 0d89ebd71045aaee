"""The attempt's RayCluster: make it, wait for it, refuse it, lose it."""

from __future__ import annotations

from mnist_operator.api.status import ConditionType, Phase
from mnist_operator.lifecycle import outcome, progress
from mnist_operator.lifecycle.decision import CreateCluster, Decision, EnsureSupport, Explain
from mnist_operator.lifecycle.facts import STARTING, Facts
from mnist_operator.lifecycle.steps.common import SHARED_POLL, explain_in, upkeep


def say_obstacle(facts: Facts) -> Decision:
    """Something in the cluster is in the way; the queue tries again, later and later."""
    obstacle = facts.observed.obstacle
    assert obstacle is not None
    return outcome.to(
        facts,
        Phase.PENDING if facts.cluster is None else Phase.PROVISIONING,
        obstacle.reason,
        obstacle.message,
        conditions={ConditionType.CLUSTER_READY: (False, obstacle.reason, obstacle.message)},
        **progress.cluster_fields(facts),
    )


def create_cluster(facts: Facts) -> Decision:
    """Make the cluster, or wait for the one that the user named."""
    if facts.shared:
        message = f"RayCluster {facts.cluster_name}, named in spec.clusterRef, does not exist in this namespace"
        return outcome.to(
            facts,
            Phase.PENDING,
            "ClusterNotFound",
            message,
            conditions={ConditionType.CLUSTER_READY: (False, "ClusterNotFound", message)},
            look_again=SHARED_POLL,
        )
    assert facts.cluster_name is not None
    return outcome.unchanged(facts, EnsureSupport(), CreateCluster(facts.cluster_name))


def refuse_cluster(facts: Facts) -> Decision:
    """The cluster that the user named is there, but does not fit."""
    message = facts.cluster_unfit
    assert message is not None
    return outcome.to(
        facts,
        Phase.PENDING,
        "ClusterUnfit",
        message,
        conditions={ConditionType.CLUSTER_READY: (False, "ClusterUnfit", message)},
        look_again=SHARED_POLL,
    )


def wait_for_quota(facts: Facts) -> Decision:
    """Kueue un-suspends a cluster that it admits; nothing is to be done but to say so."""
    cluster = facts.cluster
    assert cluster is not None
    message = f"Waiting for quota in queue {cluster.queue}"
    return outcome.to(
        facts,
        Phase.PENDING,
        "WaitingForQuota",
        message,
        conditions={ConditionType.CLUSTER_READY: (False, "WaitingForQuota", message)},
        actions=(EnsureSupport(),),
        **progress.cluster_fields(facts),
    )


def wait_for_kuberay(facts: Facts) -> Decision:
    """Write nothing: what was said at the start still holds, and updates are what costs an API server most."""
    assert facts.cluster is not None
    return outcome.unchanged(facts, *upkeep(facts), look_again=explain_in(facts, facts.cluster.created))


def wait_for_cluster(facts: Facts) -> Decision:
    """Say how far the cluster is, and why it does not come up when it takes long."""
    cluster = facts.cluster
    assert cluster is not None
    age, explain_after = facts.age(cluster.created), facts.policy.explain_after
    stuck = age >= explain_after
    told = cluster.replica_failure or (stuck and (facts.observed.explanation or cluster.head_problem)) or None
    problem = told
    # By now its events were read, and had nothing to tell either.
    if not (told or cluster.reported) and age >= explain_after + facts.policy.explain_again:
        problem = f"KubeRay has taken no notice of RayCluster {cluster.name}: is its operator running?"
    reason = STARTING
    wanted = cluster.wanted_workers or facts.spec.workers.total_replicas
    head = "head ready" if cluster.head_ready else "head starting"
    message = f"Starting Ray: {head}, {cluster.ready_workers} of {wanted} workers ready"
    if facts.code_missing:
        message, reason = f"{message}. {facts.code_missing}", "CodeNotFound"
    elif facts.workers_restarting:
        message, reason = f"{message}. {facts.workers_restarting}", "WorkersRestarting"
    elif problem:
        message = f"{message}. {problem}"
        reason = "QuotaExceeded" if "exceeded quota" in problem else "ClusterStuck"
    return outcome.to(
        facts,
        Phase.PROVISIONING,
        reason,
        message,
        conditions={ConditionType.CLUSTER_READY: (False, reason, message)},
        actions=(
            *upkeep(facts, afresh=bool(told)),
            *((Explain("RayCluster", cluster.name),) if stuck else ()),
            *_explain_code(facts, age),
        ),
        look_again=SHARED_POLL if facts.shared else _look_again(facts, cluster.created),
        **progress.cluster_fields(facts),
    )


def lose_cluster(facts: Facts) -> Decision:
    """The cluster is gone, and with it every process of the attempt."""
    if facts.cluster is not None and facts.cluster.suspended and facts.cluster.queue is not None:
        message = f"Kueue took back the quota of queue {facts.cluster.queue}."
        return outcome.start_over(facts, "Preempted", message, delay=outcome.retry_delay(facts, 1))
    message = f"The RayCluster {facts.cluster_name} was deleted or suspended while the training needed it."
    return outcome.fail_attempt(facts, "RayClusterLost", message, retryable=True)


def give_up_restarting(facts: Facts) -> Decision:
    """The workers are lost faster than an epoch is finished: the attempt fails, and counts."""
    message = f"{facts.workers_restarting}."
    return outcome.fail_attempt(facts, "WorkersRestarting", message, retryable=True)


def _explain_code(facts: Facts, age: float) -> tuple[Explain, ...]:
    """A pod whose ConfigMap is missing waits for it, and only its events tell."""
    pod = facts.code_pod
    return (Explain("Pod", pod),) if pod is not None and age >= facts.policy.explain_pod_after else ()


def _look_again(facts: Facts, created: str | None) -> float:
    later = explain_in(facts, created)
    if facts.code_pod is None:
        return later
    remaining = facts.policy.explain_pod_after - facts.age(created)
    return min(later, remaining + 0.1 if remaining > 0 else facts.policy.explain_again)
