"""Whatever happens, in whatever order: the status ends right."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.operator.world import World

from mnist_operator.api.status import Phase

FINISHED = {Phase.SUCCEEDED, Phase.FAILED}


class Life(RuleBasedStateMachine):
    """Losses, restarts, suspensions and clock jumps between reconciles."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.happenings = 0
        self.ended: Phase | None = None

    @initialize(limit=st.integers(0, 3), cleanup=st.sampled_from(["OnFinish", "OnSuccess"]))
    def begin(self, limit: int, cleanup: str) -> None:
        self.policy: dict[str, Any] = {"backoffLimit": limit, "clusterCleanup": cleanup}
        self.workers: dict[str, Any] = {}
        self.ask(suspend=False)

    def ask(self, *, suspend: bool) -> None:
        self.world.spec = {"runPolicy": {**self.policy, "suspend": suspend}, "workers": self.workers}

    def happened(self) -> None:
        self.happenings += 1

    @rule()
    def look(self) -> None:
        self.world.reconcile()

    @rule(seconds=st.integers(-30, 900))
    def clock(self, seconds: int) -> None:
        self.happened()
        self.world.pass_time(seconds)

    @rule()
    def cluster_ready(self) -> None:
        self.happened()
        self.world.clusters_become_ready()

    @rule()
    def kuberay_is_away(self) -> None:
        """What is made meanwhile gets no status."""
        self.happened()
        self.world.kuberay_works = False

    @rule()
    def kuberay_comes_back(self) -> None:
        self.happened()
        self.world.kuberay_begins()

    @rule()
    def runs(self) -> None:
        self.happened()
        if any(cluster.ready for cluster in self.world.clusters):
            self.world.job_runs()

    @rule()
    def deletions(self) -> None:
        self.happened()
        self.world.deletions_complete()

    @rule(suspend=st.booleans())
    def user_suspends(self, suspend: bool) -> None:
        self.happened()
        self.ask(suspend=suspend)

    @rule(replicas=st.integers(1, 3), label=st.sampled_from(["a", "b"]))
    def user_changes_the_workers(self, replicas: int, label: str) -> None:
        self.happened()
        self.workers = {"replicas": replicas, "template": {"metadata": {"labels": {"x": label}}}}
        self.ask(suspend=self.world.spec["runPolicy"]["suspend"])

    @rule()
    @precondition(lambda self: self.world.job is not None and self.world.job.process_alive)
    def trainer_vanishes(self) -> None:
        """KubeRay goes on to call the job RUNNING."""
        self.happened()
        job = self.world.job
        assert job is not None
        job.process_alive, job.vanished = False, True

    @rule()
    @precondition(lambda self: self.world.job is not None and self.world.job.process_alive)
    def head_lost(self) -> None:
        self.happened()
        job = self.world.job
        assert job is not None
        for cluster in self.world.clusters:
            cluster.head += 1
        job.started, job.sealed = self.world.now, False

    @rule(unproven=st.booleans(), retryable=st.booleans(), reported=st.booleans())
    @precondition(lambda self: self.world.job is not None and self.world.job.process_alive)
    def job_fails(self, unproven: bool, retryable: bool, reported: bool) -> None:
        self.happened()
        job = self.world.job
        assert job is not None
        if unproven:
            job.deployment, job.reason = "Failed", "JobStatusCheckTimeoutExceeded"
            return
        if reported:
            self.world.trainer_fails(retryable=retryable)
        self.world.job_ends(well=False)

    @rule()
    @precondition(lambda self: self.world.job is not None and self.world.job.process_alive)
    def job_succeeds(self) -> None:
        self.happened()
        job = self.world.job
        assert job is not None
        if job.attempt == self.world.status.attempt:
            self.world.trainer_seals()
            self.world.job_ends(well=True)

    @rule()
    @precondition(lambda self: self.world.job is not None and self.world.job.process_alive)
    def model_is_sealed_and_the_job_closes_later_if_ever(self) -> None:
        self.happened()
        job = self.world.job
        assert job is not None
        if job.attempt == self.world.status.attempt:
            self.world.trainer_seals()

    @rule()
    @precondition(lambda self: any(cluster.ready for cluster in self.world.clusters))
    def workers_are_lost(self) -> None:
        self.happened()
        for cluster in self.world.clusters:
            cluster.workers = None if cluster.workers == 0 else 0

    @rule()
    def somebody_deletes_the_job(self) -> None:
        self.happened()
        if self.world.job is not None:
            self.world.job.deleting = True

    @rule()
    def somebody_deletes_the_cluster(self) -> None:
        self.happened()
        for cluster in self.world.clusters:
            cluster.deleting = True

    @invariant()
    def an_end_is_an_end(self) -> None:
        phase = self.world.status.phase
        if self.ended is not None:
            assert phase is self.ended
        if phase in FINISHED:
            self.ended = phase
            names = {item.type: item.status for item in self.world.status.conditions}
            assert (names.get("Complete") == "True") == (phase is Phase.SUCCEEDED)
            assert (names.get("Failed") == "True") == (phase is Phase.FAILED)
            assert self.world.status.completion_time is not None

    @invariant()
    def failures_stay_inside_the_limit(self) -> None:
        assert (self.world.status.failures or 0) <= self.world.spec["runPolicy"]["backoffLimit"] + 1

    @invariant()
    def writes_are_bounded(self) -> None:
        assert self.world.writes <= 8 + 6 * self.happenings

    @invariant()
    def a_success_has_a_model(self) -> None:
        if self.world.status.phase is Phase.SUCCEEDED:
            assert self.world.status.result is not None
            assert self.world.status.result.model

    def teardown(self) -> None:
        """From wherever it stands, a world without further trouble ends well, and nothing is left behind."""
        world = self.world
        self.ask(suspend=False)
        for _ in range(60):
            world.reconcile()
            if world.status.phase in FINISHED and not any(cluster.deleting for cluster in world.clusters):
                break
            world.deletions_complete()
            world.clusters_become_ready()
            world.reconcile()
            world.job_runs()
            world.reconcile()
            job = world.job
            if job is not None and job.process_alive and not job.deleting and job.attempt == world.status.attempt:
                world.trainer_seals()
                world.job_ends(well=True)
            world.pass_time(400)
        assert world.status.phase in FINISHED, world.decisions[-20:]
        for _ in range(3):
            world.pass_time(100)  # a job whose model is sealed has a minute to close by itself
            world.deletions_complete()
            world.reconcile()
        keeps = self.policy["clusterCleanup"] == "OnSuccess" and world.status.phase is Phase.FAILED
        assert keeps or world.clusters == []


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
