"""A chaos run's judgement: what counts as an attempt too many, as a wrong end, and as a fault survived."""

from __future__ import annotations

from typing import Any

from benchmarks.disturbance.load import Ended, Expected
from benchmarks.disturbance.plan import KINDS, Fault
from benchmarks.disturbance.processes import Process, Trainer, trainer_of
from benchmarks.disturbance.report import Report, Struck
from benchmarks.disturbance.watch import Ledger

SUCCEEDED = {"phase": "Succeeded", "attempt": 1, "result": {"sha256": "a", "accuracy": 0.9}}


def job(name: str, uid: str, status: str = "Running", owner: str = "t") -> dict[str, Any]:
    references = [{"uid": owner, "controller": True}]
    return {
        "metadata": {"name": name, "uid": uid, "ownerReferences": references},
        "status": {"jobDeploymentStatus": status},
    }


def test_attempts_after_each_other_are_fine() -> None:
    ledger = Ledger()
    ledger.jobs([job("x-1", "1"), job("y-1", "2", owner="other")])
    ledger.jobs([job("x-1", "1", "Failed"), job("x-2", "3"), job("y-1", "2", owner="other")])
    ledger.trainers([Trainer(10, "t", 1), Trainer(11, "other", 1)])
    ledger.trainers([Trainer(12, "t", 2)])
    assert ledger.violations == []
    assert ledger.most_trainers == 1


def test_two_attempts_at_once_are_not() -> None:
    ledger = Ledger()
    ledger.jobs([job("x-1", "1"), job("x-2", "2")])
    ledger.jobs([job("x-1", "1"), job("x-2", "2")])
    ledger.trainers([Trainer(10, "t", 1), Trainer(11, "t", 2)])
    assert ledger.violations == ["RayJobs at once: x-1, x-2", "trainers of t at once, of attempts 1, 2"]


def test_an_attempt_made_twice_is_not() -> None:
    ledger = Ledger()
    ledger.jobs([job("x-1", "1")])
    ledger.jobs([])
    ledger.jobs([job("x-1", "2")])
    ledger.jobs([job("x-1", "3", owner="its successor of the same name")])
    assert ledger.violations == ["RayJob x-1 was made twice"]


def test_the_right_end() -> None:
    expected = Expected("Succeeded", sha256="a", accuracy=0.9)
    assert expected.differs(SUCCEEDED) == ""
    assert "another model" in expected.differs({**SUCCEEDED, "result": {"sha256": "b", "accuracy": 0.8}})
    assert "instead of Succeeded" in expected.differs({"phase": "Failed", "reason": "NoResult"})
    assert Expected("Failed", "DatasetNotFound").differs({"phase": "Failed", "reason": "DatasetNotFound"}) == ""
    assert "instead of DatasetNotFound" in Expected("Failed", "DatasetNotFound").differs(
        {"phase": "Failed", "reason": "StoreUnreachable"}
    )


def test_a_fault_is_survived_if_all_that_it_met_ended_right() -> None:
    faults = [Fault(1, 10.0, KINDS[0], 0.0, 0.0), Fault(2, 60.0, KINDS[1], 3.0, 0.0)]
    struck = [Struck(faults[0], "operator", 10, 10), Struck(faults[1], "operator", 60, 63)]
    right, wrong = Ended("a", 0, 50, "", SUCCEEDED), Ended("b", 40, 90, "failed", {"phase": "Failed"})
    report = Report(1, 2, 2, faults, struck, [right, wrong], 20.0, 0.9)
    assert [report.survived(one) for one in struck] == [True, False]
    assert not report.good
    assert "| kill operator | 1 | 1 | 1 |" in report.markdown()
    assert "| stall operator | 1 | 1 | 0 |" in report.markdown()
    assert "| **all** | 2 | 2 | 1 |" in report.markdown()
    assert report.as_json()["trainings"][1]["problem"] == "failed"


def test_a_run_without_trainings_proves_nothing() -> None:
    assert not Report(1, 2, 2, []).good
    assert Report(1, 2, 2, [], trainings=[Ended("a", 0, 50, "", SUCCEEDED)]).good
    assert not Report(1, 2, 2, [], trainings=[Ended("a", 0, 50, "", SUCCEEDED)], left_over=["Pod x"]).good


def test_trainers_are_told_from_what_starts_them() -> None:
    flags = ("train", "--training-uid", "u", "--attempt", "2")
    script = Process(5, ("/venv/bin/python", "/venv/bin/mnist-trainer", *flags), {})
    assert trainer_of(script) == Trainer(5, "u", 2)
    assert trainer_of(Process(5, ("/venv/bin/python3.11", "-m", "mnist_trainer", *flags), {})) == Trainer(5, "u", 2)
    assert trainer_of(Process(5, ("/bin/sh", "-c", "mnist-trainer " + " ".join(flags)), {})) is None
    assert trainer_of(Process(5, ("ray::TrainWorker.run",), {})) is None
