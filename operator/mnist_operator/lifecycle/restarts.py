"""Restarts by KubeRay, noticed and counted."""

from __future__ import annotations

from mnist_kube.times import parse_time
from mnist_operator.lifecycle.decision import Event
from mnist_operator.lifecycle.facts import Facts


def count_restarts(facts: Facts) -> tuple[int, tuple[Event, ...]]:
    """Return the restarts counted so far and the events of those that are new.

    After a lost head KubeRay submits the same job again, silently: another start time shows it.
    """
    count = facts.status.restarts or 0
    events: tuple[Event, ...] = ()
    before, job, cluster = facts.status.ray_job, facts.job, facts.cluster
    old_head = facts.cluster_status.head_pod
    if cluster is not None and cluster.head_pod and old_head and cluster.head_pod != old_head and job is not None:
        events = (
            Event(
                "HeadLost",
                f"The Ray head {old_head} was lost; {cluster.head_pod} takes over and KubeRay starts the job again",
                warning=True,
            ),
        )
    old_start = parse_time(before.start_time) if before is not None else None
    new_start = parse_time(job.ray_start_time) if job is not None else None
    if old_start is not None and new_start is not None and new_start != old_start:
        count += 1
        message = f"KubeRay started the job over (restart {count}); the trainer goes on from its last checkpoint"
        events = (*events, Event("JobRestarted", message, warning=True))
    return count, events
