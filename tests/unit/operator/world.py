"""A small model of KubeRay and a trainer, to walk the pure lifecycle through."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mnist_kube.times import timestamp
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.api.status import Condition, MnistTrainingStatus, TrainerReport, TrainingFailure, TrainingResult
from mnist_operator.children.cluster import ClusterView
from mnist_operator.children.job import JobView
from mnist_operator.children.training import (
    ANNOTATION_CREDENTIALS,
    ANNOTATION_HASH,
    ANNOTATION_WORKERS,
    Training,
    cluster_name,
)
from mnist_operator.lifecycle.decision import CreateCluster, CreateJob, Decision, Delete, DeleteTraining, Event
from mnist_operator.lifecycle.observed import Observed, Obstacle
from mnist_operator.lifecycle.table import decide
from mnist_operator.reconcile import status_patch

UID = "uid-1"


@dataclass
class Cluster:
    name: str
    uid: str
    created: datetime
    ready: bool = False
    head: int = 1
    deleting: bool = False
    owner: str = UID
    ray_version: str = "2.60.0"
    queue: str | None = None
    suspended: bool = False
    spec_hash: str = ""
    port: str | None = None
    cpus: str | None = None
    gpus: str | None = None
    autoscaled: bool = False
    failure: str = ""
    wanted: int = 2
    workers: int | None = None
    """Ready workers; all of them once the cluster is ready."""
    noticed: bool = True
    """KubeRay has written a status."""

    def view(self) -> ClusterView:
        conditions = [{"type": "HeadPodReady", "status": "True" if self.ready else "False", "message": ""}]
        if self.failure:
            conditions.append({"type": "ReplicaFailure", "status": "True", "message": self.failure})
        status = {
            "conditions": conditions,
            "state": "ready" if self.ready else "",
            "head": {"podName": f"{self.name}-head-{self.head}", "serviceName": f"{self.name}-head-svc"},
            "readyWorkerReplicas": self.workers if self.workers is not None else 2 if self.ready else 0,
            "desiredWorkerReplicas": self.wanted,
            "desiredCPU": self.cpus,
            "desiredGPU": self.gpus,
            "endpoints": {"dashboard": self.port} if self.port else {},
        }
        return ClusterView.of(
            {
                "metadata": {
                    **metadata(self.name, self.uid, self.created, self.deleting, self.owner),
                    "labels": {"kueue.x-k8s.io/queue-name": self.queue} if self.queue else {},
                    "annotations": {ANNOTATION_HASH: self.spec_hash},
                },
                "spec": {
                    "rayVersion": self.ray_version,
                    "suspend": self.suspended,
                    "enableInTreeAutoscaling": self.autoscaled,
                },
                "status": status if self.noticed else {},
            }
        )


@dataclass
class Job:
    name: str
    uid: str
    attempt: int
    cluster: str
    created: datetime
    deployment: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    started: datetime | None = None
    deleting: bool = False
    process_alive: bool = False
    workers: str = ""
    credentials: str = ""
    vanished: bool = False
    sealed: bool = False

    def view(self) -> JobView:
        meta = metadata(self.name, self.uid, self.created, self.deleting, UID)
        meta["labels"] = {"mnist.training/attempt": str(self.attempt)}
        meta["annotations"] = {ANNOTATION_WORKERS: self.workers, ANNOTATION_CREDENTIALS: self.credentials}
        return JobView.of(
            {
                "metadata": meta,
                "status": {
                    "jobDeploymentStatus": self.deployment,
                    "jobStatus": self.status,
                    "reason": self.reason,
                    "message": self.message,
                    "jobId": f"{self.name}-abcde",
                    "rayJobInfo": {"startTime": timestamp(self.started)} if self.started else {},
                },
            }
        )


def metadata(name: str, uid: str, created: datetime, deleting: bool, owner: str) -> dict[str, Any]:
    return {
        "name": name,
        "uid": uid,
        "creationTimestamp": timestamp(created),
        **({"deletionTimestamp": timestamp(created)} if deleting else {}),
        "ownerReferences": [{"controller": True, "uid": owner}],
    }


def keeps_condition_rules(before: list[Condition], after: list[Condition]) -> None:
    """The transition time moves when, and only when, the status does; types are unique."""
    old = {condition.type: condition for condition in before}
    assert len({condition.type for condition in after}) == len(after)
    for condition in after:
        known = old.get(condition.type)
        if known is not None and known.status == condition.status:
            assert known.last_transition_time == condition.last_transition_time


@dataclass
class World:
    spec: dict[str, Any] = field(default_factory=dict)
    now: datetime = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    status: MnistTrainingStatus = field(default_factory=MnistTrainingStatus)
    clusters: list[Cluster] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    credentials: Obstacle | None = None
    problems: tuple[str, ...] = ()
    obstacle: Obstacle | None = None
    explanation: str | None = None
    pod_explanation: str | None = None
    secret_version: str = "1"
    balancer: str | None = None
    deleted: bool = False
    deleting: bool = False
    writes: int = 0
    events: list[Event] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    serial: int = 0
    kuberay_works: bool = True
    generation: int = 1

    # --- the operator --------------------------------------------------------------------------------------------

    def observed(self) -> Observed:
        return Observed(
            training=Training("mnist", "default", UID, MnistTrainingSpec.model_validate(self.spec), self.generation),
            status=self.status,
            now=self.now,
            deleting=self.deleting,
            credentials=self.credentials,
            spec_problems=self.problems,
            clusters=tuple(cluster.view() for cluster in self.clusters),
            jobs=tuple(job.view() for job in self.jobs),
            obstacle=self.obstacle,
            explanation=self.explanation,
            pod_explanation=self.pod_explanation,
            credentials_version=self.secret_version,
            desired_cluster=lambda: self.spec_hash,
            balancer=self.balancer,
        )

    @property
    def spec_hash(self) -> str:
        """All of the spec but the numbers of workers."""
        workers = {key: value for key, value in self.spec.get("workers", {}).items() if "eplicas" not in key}
        return f"{workers} {self.spec.get('ray')}"

    @property
    def told(self) -> str:
        """What the trainer is told of the number of its workers."""
        workers = self.observed().training.spec.workers
        return f"{workers.total_min_replicas}-{workers.total_max_replicas}"

    def reconcile(self, limit: int = 30) -> Decision:
        """Decide and act until nothing changes, as the reconciler does; fail when it never comes to rest."""
        for _ in range(limit):
            decision = decide(self.observed())
            self.decisions.append(decision.transition)
            acted = sum(self.act(action) for action in decision.actions) > 0
            wrote = self.write(decision)
            if not acted and not wrote:
                return decision
        raise AssertionError(f"no rest: {self.decisions[-limit:]}")

    def write(self, decision: Decision) -> bool:
        stored = self.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        if status_patch(stored, decision.status, "1") is None:
            return False
        self.writes += 1
        keeps_condition_rules(self.status.conditions, decision.status.conditions)
        self.events += decision.events
        self.status = decision.status.model_copy(update={"training": self.status.training})
        return True

    def act(self, action: object) -> bool:
        match action:
            case CreateCluster(name):
                assert all(cluster.name != name for cluster in self.clusters), "a cluster's name is used twice at once"
                cluster = Cluster(name, self.uid(), self.now, spec_hash=self.spec_hash, noticed=self.kuberay_works)
                self.clusters.append(cluster)
            case CreateJob(attempt, on):
                others = [job for job in [*self.jobs, *self.orphans] if job.attempt != attempt]
                alive = [job.name for job in others if job.process_alive]
                assert not alive, f"attempt {attempt} starts while {alive} may still run"
                job = Job(f"mnist-{attempt}", self.uid(), attempt, on, self.now)
                job.workers, job.credentials = self.told, self.secret_version
                self.jobs.append(job)
            case Delete(kind, name, uid):
                for item in [*self.clusters, *self.jobs]:
                    if (item.name, item.uid) == (name, uid) and (kind == "RayJob") == isinstance(item, Job):
                        item.deleting = True
                        return True
                return False
            case DeleteTraining():
                self.deleted = self.deleting = True
            case _:
                return False
        return True

    def uid(self) -> str:
        self.serial += 1
        return f"child-{self.serial}"

    # --- KubeRay, kubelet, trainer, time -------------------------------------------------------------------------

    def cluster_name(self, attempt: int) -> str:
        return cluster_name(self.observed().training, attempt)

    @property
    def job(self) -> Job | None:
        return self.jobs[-1] if self.jobs else None

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def clusters_become_ready(self) -> None:
        self.kuberay_begins()
        for cluster in self.clusters:
            cluster.ready = cluster.ready or not cluster.deleting

    def kuberay_begins(self) -> None:
        """KubeRay comes up, and writes a first status of every cluster."""
        self.kuberay_works = True
        for cluster in self.clusters:
            cluster.noticed = True

    def deletions_complete(self) -> None:
        """KubeRay asks Ray to stop a deleted job and does not wait; a cluster that is gone has no processes."""
        for job in [job for job in self.jobs if job.deleting]:
            self.jobs.remove(job)
            self.orphans.append(job)
        gone = {cluster.name for cluster in self.clusters if cluster.deleting}
        self.clusters = [cluster for cluster in self.clusters if not cluster.deleting]
        for job in [*self.jobs, *self.orphans]:
            if job.cluster in gone:
                job.process_alive = False

    orphans: list[Job] = field(default_factory=list)

    def job_runs(self) -> None:
        job = self.job
        if (
            job is not None
            and not job.deleting
            and not job.vanished
            and job.deployment in {"", "Initializing", "Running"}
        ):
            job.deployment, job.status = "Running", "RUNNING"
            job.started = job.started or self.now
            job.process_alive = True
            if job.sealed:
                return
            self.report(state="Training", epoch=1)

    def report(self, *, state: str, attempt: int | None = None, **fields: Any) -> None:
        number = attempt or self.status.attempt or 1
        report = TrainerReport(
            attempt=number, run_id=f"run-{number}", state=state, updated_at=timestamp(self.now), **fields
        )
        self.status = self.status.model_copy(update={"training": report})

    def trainer_seals(self) -> None:
        result = TrainingResult(model="s3://models/m", sha256="0" * 64, accuracy=0.99, train_seconds=1.0)
        self.report(state="Succeeded", result=result)
        if self.job is not None:
            self.job.sealed = True

    def trainer_fails(self, reason: str = "StoreUnreachable", *, retryable: bool = True) -> None:
        self.report(state="Failed", failure=TrainingFailure(reason=reason, message="It broke.", retryable=retryable))

    def job_ends(self, *, well: bool, message: str = "") -> None:
        job = self.job
        assert job is not None
        job.process_alive = False
        job.deployment = "Complete" if well else "Failed"
        job.status = "SUCCEEDED" if well else "FAILED"
        job.reason = "" if well else "AppFailed"
        job.message = message

    def run_until_training(self) -> None:
        self.reconcile()
        self.clusters_become_ready()
        self.reconcile()
        self.job_runs()
        self.reconcile()

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(item for item in self.status.conditions if item.type == kind)
        return found.status, found.reason
