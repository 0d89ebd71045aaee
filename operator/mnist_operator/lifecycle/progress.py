"""What the status says of cluster, job and trainer: copied from what is seen, and counted where something was lost."""

from __future__ import annotations

import re
from typing import Any

from mnist_kube.times import parse_time
from mnist_operator.api.status import CountedRun, RayClusterStatus, RayJobStatus
from mnist_operator.api.workers import ServiceType
from mnist_operator.children.cluster import ClusterView
from mnist_operator.children.pods import DASHBOARD_PORT
from mnist_operator.lifecycle.decision import Event
from mnist_operator.lifecycle.facts import Facts


def lost_workers(facts: Facts) -> int:
    """Return how many lost workers the trainer reports that are not counted yet, of whatever attempt it is."""
    report, counted = facts.status.training, facts.status.counted_run
    if report is None:
        return 0
    before = counted.lost_workers if counted is not None and counted.run_id == report.run_id else 0
    return max(0, (report.lost_workers or 0) - before)


def count_lost_workers(facts: Facts) -> dict[str, Any]:
    """Return the status fields that count the lost workers; none when no more are reported."""
    lost, report = lost_workers(facts), facts.status.training
    if not lost or report is None:
        return {}
    counted = CountedRun(run_id=report.run_id, lost_workers=report.lost_workers or 0)
    return {"lost_workers": (facts.status.lost_workers or 0) + lost, "counted_run": counted}


def lost_worker_events(facts: Facts) -> tuple[Event, ...]:
    """Return the event of lost workers that are not counted yet: one, however many they are."""
    lost, report = lost_workers(facts), facts.status.training
    if not lost or report is None:
        return ()
    last = report.last_lost_worker
    if last is None:
        message = f"{lost} worker{'s were' if lost > 1 else ' was'} lost."
    else:
        who = (
            f"Worker {last.name} was lost" if lost == 1 else f"{lost} workers were lost, {last.name} the last of them,"
        )
        when = f" in epoch {last.epoch}" if last.epoch else ""
        message = f"{who}{when}. {last.message}".rstrip()
    return (Event("WorkerLost", message, warning=True),)


def cluster_fields(facts: Facts) -> dict[str, Any]:
    """Return the status field of the cluster, as it is seen now."""
    cluster = facts.cluster
    if cluster is None:
        return {}
    wanted = cluster.wanted_workers or facts.spec.workers.total_replicas
    return {
        "ray_cluster": RayClusterStatus(
            name=cluster.name,
            state=cluster.state or None,
            workers=f"{cluster.ready_workers}/{wanted}",
            worker_restarts=facts.worker_restarts,
            head_pod=cluster.head_pod or facts.cluster_status.head_pod,
            dashboard=_dashboard(facts, cluster),
        )
    }


def _dashboard(facts: Facts, cluster: ClusterView) -> str | None:
    """Where people find the dashboard: outside of the cluster where the head's Service leads there."""
    port, outside = cluster.dashboard_port, None if facts.shared else facts.spec.head.service_type
    if outside is ServiceType.LOAD_BALANCER and facts.observed.balancer:
        return f"http://{facts.observed.balancer}:{DASHBOARD_PORT}"
    if outside is ServiceType.NODE_PORT and port and port != str(DASHBOARD_PORT):
        return f"http://{facts.observed.node_address}:{port}"
    if facts.job is not None and facts.job.dashboard:
        return f"http://{facts.job.dashboard}"
    if cluster.head_service and facts.cluster_status.dashboard is None:
        return f"http://{cluster.head_service}.{facts.training.namespace}.svc:{DASHBOARD_PORT}"
    return facts.cluster_status.dashboard


def job_fields(facts: Facts) -> dict[str, Any]:
    """Return the status field of the job, as it is seen now."""
    job = facts.job
    if job is None:
        return {}
    before = facts.status.ray_job
    return {
        "ray_job": RayJobStatus(
            name=job.name,
            job_id=job.job_id,
            status=job.job_status or None,
            start_time=job.ray_start_time or (before.start_time if before else None),
        )
    }


def count_restarts(facts: Facts) -> tuple[int, tuple[Event, ...]]:
    """Return the restarts of the job so far, with the events `HeadLost` and `JobRestarted` of what is new.

    Another head pod than the status remembers shows a lost head. KubeRay then submits the same job again, silently:
    another start time shows that.
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


_SECRET_SHAPED = re.compile(
    r"(?i)((?:secret|password|passwd|token|access[_-]?key(?:_id)?|authorization|credential)[\w-]*[\"']?\s*[=:]\s*)(\S+)"
)


def redacted_tail(text: str, limit: int = 2000) -> str | None:
    """Return the last lines of a log, short, with what looks like a credential struck out."""
    text = _SECRET_SHAPED.sub(r"\1[redacted]", text.strip())
    if len(text) <= limit:
        return text or None
    return "…" + text[-limit:].split("\n", 1)[-1]
