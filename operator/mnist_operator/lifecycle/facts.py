"""The named facts about one look, which the table of transitions is written in."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from mnist_kube.times import parse_time, seconds
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.api.status import (
    ConditionType,
    LastFailure,
    Phase,
    RayClusterStatus,
    TrainerReport,
    WorkerRestarts,
)
from mnist_operator.children.cluster import ClusterView
from mnist_operator.children.code import config_map_name
from mnist_operator.children.job import JobView
from mnist_operator.lifecycle.observed import Observed

STARTING = "ClusterStarting"
SUSPENDING = "Suspending"
TRAINER_SILENT = "TrainerSilent"
JOB_RUNNING = ConditionType.JOB_RUNNING.value
_BEFORE_WORKERS = frozenset({"Starting", "LoadingData"})


class Facts:
    """The facts about one observation, by the names that the transition table and its steps use."""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.training = observed.training
        self.status = observed.status
        self.now = observed.now
        self.policy = observed.policy

    @property
    def spec(self) -> MnistTrainingSpec:
        """The training's spec."""
        return self.training.spec

    # --- the training itself -----------------------------------------------------------------------------------

    @property
    def attempt(self) -> int:
        """Number of the current attempt; 0 before the first."""
        return self.status.attempt or 0

    @property
    def finished(self) -> bool:
        """Succeeded or failed for good."""
        return self.status.phase in {Phase.SUCCEEDED, Phase.FAILED}

    @property
    def suspended(self) -> bool:
        """Stopped, with nothing left running."""
        return self.status.phase is Phase.SUSPENDED

    @property
    def must_stop(self) -> bool:
        """A suspension is asked for, or one that was asked for has not ended yet."""
        return self.spec.run_policy.suspend or self.status.reason == SUSPENDING

    @property
    def expires_at(self) -> datetime | None:
        """When a finished training is deleted."""
        ttl = self.spec.run_policy.ttl_seconds_after_finished
        ended = parse_time(self.status.completion_time)
        return None if ttl is None or ended is None else ended + seconds(ttl)

    @property
    def deadline(self) -> datetime | None:
        """When the training fails for taking too long."""
        limit = self.spec.run_policy.active_deadline_seconds
        started = parse_time(self.status.start_time)
        return None if limit is None or started is None else started + seconds(limit)

    @property
    def past_deadline(self) -> bool:
        """Whether the training took too long."""
        return self.deadline is not None and self.now >= self.deadline

    # --- the attempt -------------------------------------------------------------------------------------------

    @property
    def failure(self) -> LastFailure | None:
        """The failure of the current attempt, once noticed."""
        last = self.status.last_failure
        return last if last is not None and last.attempt == self.attempt else None

    @property
    def report(self) -> TrainerReport | None:
        """The trainer's report, if it is of the current attempt."""
        report = self.status.training
        return report if report is not None and report.attempt == self.attempt else None

    @property
    def epoch(self) -> int:
        """Epochs that the trainer of this attempt has finished."""
        return (self.report.epoch if self.report is not None else None) or 0

    @property
    def reported_success(self) -> bool:
        """Whether the trainer sealed a model and said so."""
        return self.report is not None and self.report.state == "Succeeded" and self.report.result is not None

    @property
    def closing_ends_in(self) -> float:
        """Seconds for which the job of a sealed model is left to end by itself; 0 when it is to be stopped.

        A job that KubeRay starts over after a lost head, so that its trainer claims the training anew, is stopped now.
        """
        job, before = self.job, self.status.ray_job
        if self.status.phase is not Phase.SUCCEEDED or not self.reported_success or job is None:
            return 0.0
        known = parse_time(before.start_time) if before is not None else None
        if known is not None and parse_time(job.ray_start_time) not in {None, known}:
            return 0.0
        return max(0.0, self.policy.closing_grace - self.age(self.status.completion_time))

    @property
    def credentials_rotated(self) -> bool:
        """Whether the user's Secret has changed since the job of this attempt was made."""
        before = self.job.credentials if self.job is not None else ""
        return bool(before and self.observed.credentials_version) and before != self.observed.credentials_version

    @property
    def last_sign(self) -> str | None:
        """When a trainer that is said to run was last heard of: its report, or the start of its job."""
        job = self.job
        if job is None or job.finished or job.closing or not (job.running or self.status.phase is Phase.RUNNING):
            return None
        signs = [self.report.updated_at if self.report else None, job.ray_start_time]
        known = [(moment, sign) for sign in signs if (moment := parse_time(sign)) is not None]
        return max(known)[1] if known else self._since(JOB_RUNNING)

    @property
    def silence(self) -> float:
        """Seconds since a trainer that is said to run was last heard of."""
        return self.age(self.last_sign)

    @property
    def silent(self) -> bool:
        """Whether a trainer that is said to run has not been heard of for long."""
        return self.silence >= self.policy.silent_after

    @property
    def trainer_lost(self) -> bool:
        """Whether it stayed silent for as long again after we had said so: a jump of the clock alone is no loss."""
        told = next((item for item in self.status.conditions if item.type == JOB_RUNNING), None)
        if told is None or told.reason != TRAINER_SILENT or self.shared:
            return False
        return self.silent and self.age(told.last_transition_time) >= self.policy.silent_after

    def _since(self, condition: str) -> str | None:
        return next((item.last_transition_time for item in self.status.conditions if item.type == condition), None)

    @property
    def waits_for_workers(self) -> bool:
        """Whether the trainer runs and has no workers: the first ones are long in coming, or all were lost."""
        if self.job is None or self.age(self.job.ray_start_time) < self.policy.explain_after:
            return False
        return self.report is not None and (self.report.workers == 0 or self.report.state in _BEFORE_WORKERS)

    @property
    def next_attempt_at(self) -> datetime | None:
        """When the next attempt may start."""
        return parse_time(self.status.next_attempt_time)

    # --- the cluster -------------------------------------------------------------------------------------------

    @property
    def cluster_status(self) -> RayClusterStatus:
        """What the status says about the cluster."""
        return self.status.ray_cluster or RayClusterStatus()

    @property
    def cluster_name(self) -> str | None:
        """Name of the cluster of this attempt."""
        return self.spec.cluster_ref.name if self.spec.cluster_ref else self.cluster_status.name

    @property
    def shared(self) -> bool:
        """Whether the training runs on a cluster that is not its own."""
        return self.spec.cluster_ref is not None

    @cached_property
    def own_clusters(self) -> tuple[ClusterView, ...]:
        """Clusters that were made for this training."""
        return tuple(item for item in self.observed.clusters if item.owner_uid == self.training.uid)

    @cached_property
    def cluster(self) -> ClusterView | None:
        """The cluster of this attempt."""
        candidates = self.observed.clusters if self.shared else self.own_clusters
        return next((item for item in candidates if item.name == self.cluster_name), None)

    @cached_property
    def worker_restarts(self) -> WorkerRestarts | None:
        """Worker pods of the own cluster that came and went before an epoch was finished, with those of this look."""
        known = self.cluster_status.worker_restarts
        if self.shared or self.cluster is None or self.cluster.deleting:
            return known
        before = known.pods if known is not None and known.epoch == self.epoch else 0
        ready, _, _ = (self.cluster_status.workers or "0/0").partition("/")
        # A pod that is not wanted any more may go.
        missed = min(int(ready), self.cluster.wanted_workers) - self.cluster.ready_workers
        return WorkerRestarts(pods=before + missed, epoch=self.epoch) if missed > 0 else known

    @property
    def rounds_of_restarts(self) -> float:
        """How many times over all workers were lost since the trainer last finished an epoch."""
        restarts = self.worker_restarts
        if restarts is None or restarts.epoch != self.epoch:
            return 0.0
        return restarts.pods / self.spec.workers.total_replicas

    @property
    def workers_restarting(self) -> str | None:
        """What to say of workers that are lost again and again without an epoch finished in between."""
        if self.rounds_of_restarts < self.policy.restarting_rounds:
            return None
        assert self.worker_restarts is not None
        count = self.spec.workers.total_replicas
        cause = self.cluster.replica_failure if self.cluster is not None else None
        return (
            f"{self.worker_restarts.pods} worker pods were lost and no epoch was finished meanwhile: "
            f"{cause or f'the nodes may be too busy or too small for {count} workers'}"
        )

    @property
    def cluster_unfit(self) -> str | None:
        """Why the cluster that the user named cannot serve this training."""
        cluster = self.cluster
        wanted = self.observed.ray_version or self.spec.ray.version
        if not self.shared or cluster is None:
            return None
        if cluster.ray_version not in {"", wanted}:
            return (
                f"RayCluster {cluster.name} runs Ray {cluster.ray_version}, and the training has Ray {wanted}: "
                "use a cluster of that version, or set spec.ray.version and spec.ray.image to match"
            )
        workers, fewest = self.spec.workers, self.spec.workers.total_min_replicas
        for what, each, offered in (("CPUs", 1, cluster.cpus), ("GPUs", workers.gpus_per_worker, cluster.gpus or 0.0)):
            if offered is not None and offered < each * fewest and not cluster.autoscaled:
                return (
                    f"RayCluster {cluster.name} has {offered:g} {what} in all, and {fewest} workers need "
                    f"{each * fewest}: make it larger, or ask for fewer workers"
                )
        return None

    @property
    def cluster_outdated(self) -> bool:
        """Whether the own cluster was made from a spec that has changed since, in more than numbers of workers."""
        cluster = self.cluster
        if self.shared or cluster is None or not cluster.spec_hash:
            return False
        return cluster.spec_hash != self.observed.desired_cluster()

    @property
    def code_pod(self) -> str | None:
        """Name of a head pod that a ConfigMap with code is mounted into and that has not started yet."""
        cluster = self.cluster
        if config_map_name(self.training) is None or cluster is None or cluster.head_ready:
            return None
        return cluster.head_pod

    @property
    def code_missing(self) -> str | None:
        """What to say of a ConfigMap with code that is not there, as the head pod's events tell."""
        name, told = config_map_name(self.training), self.observed.pod_explanation or ""
        if self.code_pod is None or f'configmap "{name}" not found' not in told:
            return None
        return (
            f"ConfigMap {self.training.namespace}/{name}, named in spec.code.configMap, does not exist; "
            "create it, and the pods that wait for it start"
        )

    @property
    def cluster_was_seen(self) -> bool:
        """Whether the cluster of this attempt existed once."""
        return self.cluster_status.workers is not None

    @property
    def cluster_unnoticed(self) -> bool:
        """Whether the own cluster was just made, as the status says, and KubeRay has said nothing of it yet."""
        cluster, status = self.cluster, self.status
        if self.shared or cluster is None or cluster.reported or self.cluster_was_seen:
            return False
        said = status.reason == STARTING and status.observed_generation == self.training.generation
        return said and self.age(cluster.created) < self.policy.explain_after

    @property
    def cluster_lost(self) -> bool:
        """Whether the cluster that this attempt needs is gone, going or suspended by somebody else."""
        if self.cluster is None:
            return self.cluster_was_seen
        if self.cluster.deleting:
            return True
        # Kueue suspends what it holds back, and others may suspend what is theirs.
        may_wait = self.job is None and (self.shared or self.cluster.queue is not None)
        return self.cluster.suspended and not may_wait

    # --- the job -----------------------------------------------------------------------------------------------

    @cached_property
    def own_jobs(self) -> tuple[JobView, ...]:
        """RayJobs that were made for this training."""
        return tuple(item for item in self.observed.jobs if item.owner_uid == self.training.uid)

    @cached_property
    def job(self) -> JobView | None:
        """The RayJob of this attempt."""
        return next((item for item in self.own_jobs if item.attempt == self.attempt), None)

    @property
    def job_lost(self) -> bool:
        """Whether the RayJob of this attempt was there and is gone or going."""
        if self.job is not None:
            return self.job.deleting
        return self.status.ray_job is not None and self.status.ray_job.name is not None

    @property
    def rescaled(self) -> bool:
        """Whether the desired number of workers is outside of what the trainer was told."""
        job = self.job
        if job is None or job.workers is None or job.closing:
            return False
        fewest, most = job.workers
        return not fewest <= self.spec.workers.total_replicas <= most

    @property
    def unended_jobs(self) -> tuple[JobView, ...]:
        """RayJobs whose trainer may still run and that KubeRay still follows."""
        return tuple(item for item in self.own_jobs if not item.finished)

    @property
    def proven_dead(self) -> bool:
        """Whether no process of this attempt can be alive: it ended, it never was, or its own cluster is gone."""
        if self.job is not None and (self.job.entrypoint_ended or self.job.never_ran):
            return True
        if self.shared:
            return self.job is None
        return not self.own_clusters

    def age(self, created: str | None) -> float:
        """Return the seconds since `created`; 0 when that is unknown or in the future."""
        moment = parse_time(created)
        return 0.0 if moment is None else max(0.0, (self.now - moment).total_seconds())

    def until(self, moment: datetime | None) -> float | None:
        """Return the seconds until `moment`, at least a tenth."""
        return None if moment is None else max(0.1, (moment - self.now).total_seconds())
