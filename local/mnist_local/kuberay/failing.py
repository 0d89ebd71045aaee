"""Replicas of a RayCluster whose pods end again and again: when the next pod may be made, and what is said meanwhile.

KubeRay replaces an ended pod at once. On one machine that turns a node that cannot start into a storm of starts which
keeps the others from starting, too; so each replica backs off here as a container does under a kubelet.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from mnist_kube.objects import Object, labels_of
from mnist_kube.times import parse
from mnist_local.kuberay import names as k
from mnist_local.kuberay import pod_state
from mnist_local.kuberay.cluster_status import ReconcileError, desired_workers
from mnist_local.kuberay.kubelet.starts import Backoff

Replica = tuple[str | None, str]
"""A worker group and its replica's index; (None, "") is the head."""
HEAD: Replica = (None, "")
_RAY_TIMED_OUT = "timed out during startup"
_STEADY_S = 60.0  # Ray gives up a start after 30 s: a node that has been ready so long has got through
_AGAIN_AND_AGAIN = 2


def replica_of(pod: Object) -> Replica:
    """The replica that a pod is, by its labels."""
    if pod_state.is_head(pod):
        return HEAD
    labels = labels_of(pod)
    return labels.get(k.GROUP_LABEL), labels.get(k.REPLICA_INDEX_LABEL, "")


class Failing:
    """What is remembered of one RayCluster's replicas that have failed lately."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is the backoff's clock."""
        self._seconds = seconds
        self._backoffs: dict[Replica, Backoff] = {}
        self._words: dict[Replica, str] = {}

    def failed(self, pod: Object) -> None:
        """A pod has ended and is going to be replaced."""
        replica = replica_of(pod)
        terminated = pod_state.terminated(pod) or {}
        started, finished = terminated.get("startedAt"), terminated.get("finishedAt")
        ran_s = (parse(finished) - parse(started)).total_seconds() if started and finished else 0.0
        self._backoffs.setdefault(replica, Backoff(self._seconds)).failed(ran_s)
        code = terminated.get("exitCode")
        self._words[replica] = terminated.get("message") or ("" if code is None else f"exit code {code}")

    def keep(self, replicas: set[Replica]) -> None:
        """Forget all but these: the others are not asked for any more."""
        self._backoffs = {replica: backoff for replica, backoff in self._backoffs.items() if replica in replicas}

    def remaining_s(self, replica: Replica) -> float:
        backoff = self._backoffs.get(replica)
        return 0.0 if backoff is None else backoff.remaining_s

    def trouble(self, cluster: Object, pods: Iterable[Object], now: datetime) -> ReconcileError | None:
        """What keeps the cluster from getting anywhere: replicas that failed repeatedly and are not steady yet."""
        steady = {replica_of(pod) for pod in pods if _ready_s(pod, now) >= _STEADY_S}
        failing = {
            replica: self._words[replica]
            for replica, backoff in self._backoffs.items()
            if backoff.failures >= _AGAIN_AND_AGAIN and replica not in steady
        }
        if not failing:
            return None
        reason = "FailedCreateHeadPod" if HEAD in failing else "FailedCreateWorkerPod"
        if any(_RAY_TIMED_OUT in words for words in failing.values()):
            workers = desired_workers(cluster)
            message = (
                f"this machine is too busy for {workers} worker{'' if workers == 1 else 's'}: Ray gives a node 30 s to "
                "start, and pods missed that again and again; ask for fewer workers, or wait until less else runs"
            )
            return ReconcileError(message, reason)
        what = "the head pod" if HEAD in failing else f"worker pods of group {next(iter(failing))[0]}"
        words = next(iter(failing.values()))
        return ReconcileError(f"{what} ended again and again" + (f": {words}" if words else ""), reason)


def _ready_s(pod: Object, now: datetime) -> float:
    ready = pod_state.ready_condition(pod)
    if not pod_state.is_running_and_ready(pod) or ready is None or "lastTransitionTime" not in ready:
        return 0.0
    return (now - parse(ready["lastTransitionTime"])).total_seconds()
