"""What is lost in the middle of a training is made good: no epoch whose checkpoint was sealed is trained again, and the
model is, to the byte, that of a training that nobody disturbed.

All trainings have the same seed, data and number of workers, and differ in what happens to them alone. A few run beside
each other, since most of the time of each is a start of Ray.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.faulty_proxy import RESET, FaultyProxy
from tests.support.live import LiveStack, LiveTraining, now

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

EPOCHS = 12
STRUCK_AFTER = 3  # sealed epochs
AT_ONCE = 2


@dataclass
class Outcome:
    """What came of a training. `sealed` epochs stood in the store when it was struck, at `struck` (Unix time)."""

    training: LiveTraining
    sealed: int = EPOCHS
    struck: float = 0.0
    lost_pod: str = ""
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def resumed_after(self) -> int:
        """The epoch after whose checkpoint its last trainer went on."""
        found = re.findall(r"going on after epoch (\d+) of run", self.training.log())
        assert found, "no trainer went on from a checkpoint"
        return int(found[-1])

    def strike(self, fault: Callable[[], object]) -> None:
        """Wait until enough epochs are sealed, then let the fault happen."""
        self.sealed = self.training.until_sealed(STRUCK_AFTER)
        assert self.sealed < EPOCHS - 2, "it was too fast to be struck in the middle"
        self.struck = now()
        fault()

    def finish(self) -> Outcome:
        """Wait for its success, and for the end of all that ran for it."""
        self.status = self.training.until_succeeded()
        self.training.until_nothing_runs()
        return self


def undisturbed(stack: LiveStack) -> Outcome:
    return Outcome(stack.train("undisturbed", EPOCHS)).finish()


def suspended(stack: LiveStack) -> Outcome:
    outcome = Outcome(training := stack.train("suspended", EPOCHS))
    outcome.strike(lambda: training.suspend(True))
    training.until(lambda status: status.get("phase") == "Suspended", "its suspension")
    training.until_nothing_runs()
    training.suspend(False)
    return outcome.finish()


def head_lost(stack: LiveStack) -> Outcome:
    outcome = Outcome(training := stack.train("head-lost", EPOCHS))
    outcome.strike(lambda: training.kill(training.pods("head")[0]))
    return outcome.finish()


def worker_lost_then_store_away(stack: LiveStack) -> Outcome:
    """Two losses that cost no attempt, one after the other."""
    with FaultyProxy(stack.endpoint) as store:
        training = stack.train("worker-lost-then-store-away", EPOCHS, storage={"endpoint": store.endpoint})
        outcome = Outcome(training)

        def kill_one() -> None:
            pod = training.pods("worker")[-1]
            outcome.lost_pod = pod["metadata"]["name"]
            training.kill(pod)

        outcome.strike(kill_one)
        training.until(
            lambda s: s["training"].get("lostWorkers") == 1 and s["training"].get("workers") == 2,
            "a worker in its place",
        )
        sealed = training.until_sealed(outcome.sealed + 1)
        assert sealed < EPOCHS - 3, "it was too fast for its store to be taken away in the middle"
        _take_away(store)
        training.until(lambda s: s["training"].get("epoch", 0) >= sealed + 3, "three epochs without a store")
        assert max(checkpoint.epoch for checkpoint in training.checkpoints()) <= sealed + 1
        store.always = None
        return outcome.finish()


def store_lost(stack: LiveStack) -> Outcome:
    with FaultyProxy(stack.endpoint) as store:
        training = stack.train(
            "store-lost", EPOCHS, storage={"endpoint": store.endpoint}, head_env={"MNIST_STORAGE_GIVE_UP_AFTER": "2"}
        )
        outcome = Outcome(training)
        outcome.strike(lambda: _take_away(store))
        training.until(lambda status: status.get("lastFailure"), "the end of its patience")
        store.always = None
        return outcome.finish()


def _take_away(store: FaultyProxy) -> None:
    store.always = RESET


SCENARIOS = (head_lost, suspended, store_lost, worker_lost_then_store_away, undisturbed)
Outcomes = Callable[[Callable[[LiveStack], Outcome]], Outcome]


@pytest.fixture(scope="module")
def outcome_of(stack: LiveStack) -> Iterator[Outcomes]:
    """Starts all scenarios, a few at a time; returns what waits for one."""
    over = threading.Event()

    def run(scenario: Callable[[LiveStack], Outcome]) -> Outcome:
        assert not over.is_set(), "the tests were ended before this one began"
        try:
            return scenario(stack)
        except BaseException:
            stack.delete(scenario.__name__.replace("_", "-"))  # or it would be in the way of the others
            raise

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: dict[Any, Future[Outcome]] = {scenario: pool.submit(run, scenario) for scenario in SCENARIOS}
        yield lambda scenario: running[scenario].result()
        over.set()


def assert_nothing_was_done_twice(outcome: Outcome, kept: int) -> None:
    """The first `kept` epochs, at least those that were sealed when it was struck, were trained once."""
    assert kept >= outcome.sealed
    told = outcome.training.epochs_told()
    assert all(told.count(epoch) <= 1 for epoch in range(1, kept + 1)), told
    assert all(told.count(epoch) >= 1 for epoch in range(kept + 1, EPOCHS + 1)), told
    records = outcome.training.json("metrics.json")["epochs"]
    assert [record["epoch"] for record in records] == list(range(1, EPOCHS + 1))
    before = [record["epoch"] for record in records if record["finished_at"] <= outcome.struck]
    assert before[: outcome.sealed] == list(range(1, outcome.sealed + 1))


def assert_same_model(outcome: Outcome, reference: Outcome) -> None:
    """Resuming is exact to the epoch: not nearly the same accuracy, but the same bytes."""
    assert outcome.training.model_digest() == reference.training.model_digest()
    assert outcome.status["result"]["sha256"] == reference.status["result"]["sha256"]
    assert outcome.status["result"]["accuracy"] == reference.status["result"]["accuracy"]


def test_undisturbed(outcome_of: Outcomes) -> None:
    outcome = outcome_of(undisturbed)
    assert outcome.status["result"]["accuracy"] >= 0.95
    assert (outcome.status["attempt"], outcome.status["restarts"], outcome.status["failures"]) == (1, 0, 0)
    assert outcome.training.epochs_told() == list(range(1, EPOCHS + 1))


def test_suspension_frees_everything_and_goes_on_where_it_was(outcome_of: Outcomes) -> None:
    outcome = outcome_of(suspended)
    # It costs an attempt, but none of those that backoffLimit allows to fail.
    assert (outcome.status["attempt"], outcome.status["failures"]) == (2, 0)
    assert outcome.status.get("lastFailure") is None
    assert_nothing_was_done_twice(outcome, outcome.resumed_after)
    assert_same_model(outcome, outcome_of(undisturbed))


def test_a_killed_head_starts_the_job_over_from_the_checkpoint(outcome_of: Outcomes) -> None:
    outcome = outcome_of(head_lost)
    # KubeRay starts the job over on a new head: a restart, no failure.
    assert (outcome.status["attempt"], outcome.status["failures"]) == (1, 0)
    assert outcome.status["restarts"] >= 1
    assert len({checkpoint.run_id for checkpoint in outcome.training.checkpoints()}) == 2
    assert_nothing_was_done_twice(outcome, outcome.resumed_after)
    assert_same_model(outcome, outcome_of(undisturbed))


def test_a_killed_worker_is_replaced_and_training_goes_on_while_the_store_is_away(outcome_of: Outcomes) -> None:
    outcome = outcome_of(worker_lost_then_store_away)
    assert (outcome.status["attempt"], outcome.status["restarts"], outcome.status["failures"]) == (1, 0, 0)
    log = outcome.training.log()
    assert "workers were lost and are being replaced" in log
    assert log.count("2 workers ready") >= 2
    told = outcome.status["training"]
    assert (told["lostWorkers"], told["lastLostWorker"]["name"]) == (1, outcome.lost_pod)
    assert told["lastLostWorker"]["epoch"] > outcome.sealed
    (lost,) = outcome.training.json("metrics.json")["lostWorkers"]
    assert lost["name"] == outcome.lost_pod
    assert len({checkpoint.run_id for checkpoint in outcome.training.checkpoints()}) == 1
    assert_nothing_was_done_twice(outcome, EPOCHS)
    assert_same_model(outcome, outcome_of(undisturbed))


def test_a_store_that_stays_away_costs_an_attempt_that_goes_on_from_the_checkpoint(outcome_of: Outcomes) -> None:
    outcome = outcome_of(store_lost)
    assert (outcome.status["attempt"], outcome.status["failures"]) == (2, 1)
    assert outcome.status["lastFailure"]["reason"] == "StoreUnreachable"
    assert_nothing_was_done_twice(outcome, outcome.resumed_after)
    assert_same_model(outcome, outcome_of(undisturbed))
