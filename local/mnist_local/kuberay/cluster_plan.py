"""Which pods of a RayCluster to delete and to create next."""

from dataclasses import dataclass, field

from mnist_kube.objects import Object, is_terminating, labels_of
from mnist_local.kuberay import cluster_status, pod_state
from mnist_local.kuberay import names as k
from mnist_local.kuberay.cluster_status import ReconcileError
from mnist_local.kuberay.failing import HEAD, Replica


@dataclass(frozen=True)
class Deletion:
    """A pod to delete."""

    pod: Object
    is_failure: bool = False
    """Whether the pod ended by itself, and not because its head did."""


@dataclass(frozen=True)
class Creation:
    """A pod to create: the head (group None) or a worker of a group."""

    group: Object | None = None
    replica_index: int = 0

    @property
    def replica(self) -> Replica:
        return HEAD if self.group is None else (self.group["groupName"], str(self.replica_index))


@dataclass
class Plan:
    """The steps of one pass; `error` says that the pass stopped before its end and another must follow."""

    deletions: list[Deletion] = field(default_factory=list)
    creations: list[Creation] = field(default_factory=list)
    error: ReconcileError | None = None


def plan(cluster: Object, pods: list[Object]) -> Plan:
    """One pass over the pods. A terminating pod still counts, so its successor comes when it is really gone."""
    stage = cluster_status.suspend_stage(cluster)
    if stage == cluster_status.SUSPENDING:
        return Plan([Deletion(pod) for pod in pods if not is_terminating(pod)])
    if stage == cluster_status.SUSPENDED or cluster["spec"].get("suspend"):
        return Plan()
    result = Plan()
    heads = [pod for pod in pods if pod_state.is_head(pod)]
    head_since = heads[0]["metadata"].get("creationTimestamp", "") if heads else None
    _plan_head(heads, result)
    for group in cluster_status.groups(cluster):
        if result.error is not None:
            break
        members = [
            pod for pod in pods if pod_state.is_worker(pod) and labels_of(pod).get(k.GROUP_LABEL) == group["groupName"]
        ]
        _plan_group(cluster, group, members, head_since, result)
    return result


def _plan_head(heads: list[Object], result: Plan) -> None:
    if not heads:
        result.creations.append(Creation())
        return
    if len(heads) > 1:
        listed = [pod["metadata"]["name"] for pod in heads]
        result.error = ReconcileError(f"{len(heads)} head pods found {listed}; delete the extra ones")
        return
    cause = pod_state.must_be_replaced(heads[0])
    if cause is not None:
        if not is_terminating(heads[0]):
            result.deletions.append(Deletion(heads[0], is_failure=True))
        result.error = ReconcileError(cause)


def _plan_group(cluster: Object, group: Object, members: list[Object], head_since: str | None, result: Plan) -> None:
    unhealthy = [pod for pod in members if pod_state.must_be_replaced(pod)]
    if unhealthy:
        for pod in unhealthy:
            if not is_terminating(pod):
                since = pod["metadata"].get("creationTimestamp", "")
                result.deletions.append(Deletion(pod, is_failure=head_since is not None and since >= head_since))
        result.error = ReconcileError(f"delete {len(unhealthy)} unhealthy worker Pods")
        return
    missing = cluster_status.desired_pods(group) - len(members)
    leaving: list[Object] = []
    if missing < 0 and not cluster["spec"].get("enableInTreeAutoscaling"):
        # KubeRay takes any; those on their way out anyway go first, then the youngest, which have done the least.
        members.sort(key=lambda pod: (is_terminating(pod), pod["metadata"].get("creationTimestamp", "")), reverse=True)
        leaving = members[:-missing]
    result.deletions += [Deletion(pod) for pod in leaving if not is_terminating(pod)]
    used = {labels_of(pod).get(k.REPLICA_INDEX_LABEL) for pod in members}
    free = (index for index in range(len(used) + max(missing, 0)) if str(index) not in used)
    result.creations += [Creation(group, next(free)) for _ in range(missing)]
