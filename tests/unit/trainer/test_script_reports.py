"""What a script reports: taken as it is, sent from every process of its own, and kept in files that are of one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.wait import wait_for
from tests.unit.trainer.memory_store import MemoryStore

from mnist_trainer.config import ScriptConfig
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.kube.reporter import NoReporter
from mnist_trainer.naming import RunPlace
from mnist_trainer.release.script_report import HEAD_BYTES, is_report, report_files
from mnist_trainer.script.intake import Intake, Report
from mnist_trainer.script.outcome import failure_of
from mnist_trainer.script.progress import ScriptProgress
from mnist_trainer.script.seal import add_reports, metrics_of
from mnist_trainer.store import S3Address

OUTPUT = S3Address("models", "mine")


def metrics(*reports: Report, run: str = "run-1") -> dict[str, object]:
    config = ScriptConfig(
        name="mine", dataset="s3://datasets/mnist", output="s3://models/mine", command=("python", "main.py")
    )
    progress = ScriptProgress(NoReporter())
    for report in reports:
        progress.take(report)
    return metrics_of(config, RunPlace(OUTPUT, 1, run), progress, 1.0)


def in_a_script(folder: Path, code: str) -> list[Report]:
    """Run a script; returns what it reported."""
    taken: list[Report] = []
    intake = Intake("127.0.0.1", taken.append)
    (folder / "main.py").write_text(code)
    env = {**os.environ, "MNIST_REPORT_URL": intake.url, "MNIST_REPORT_TOKEN": intake.token}
    try:
        subprocess.run([sys.executable, "main.py"], cwd=folder, env=env, check=True, timeout=60)
        wait_for(lambda: taken, "its report", 5)
    finally:
        intake.close()
    return taken


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_the_last_report_of_a_process_of_multiprocessing_arrives(tmp_path: Path, way: str) -> None:
    code = """
import multiprocessing, mnist_report
def train(): mnist_report.report(epoch=1, loss=0.5)
if __name__ == "__main__":
    process = multiprocessing.get_context("%s").Process(target=train)
    process.start()
    process.join()
"""
    assert in_a_script(tmp_path, code % way) == [Report(epoch=1, loss=0.5)]


def test_whatever_it_is_called_with_the_script_goes_on(tmp_path: Path) -> None:
    code = "import mnist_report\nfor given in (None, {'loss': 1}, 'three', 3): mnist_report.report(given)"
    assert in_a_script(tmp_path, code)[-1] == Report(epoch=3)


def test_very_many_figures_do_not_cost_the_others_their_report(tmp_path: Path) -> None:
    code = (
        "import mnist_report\nmnist_report.report(epoch=3, **{f'recall_of_class_{n:042d}': n / 3 for n in range(1000)})"
    )
    (report,) = in_a_script(tmp_path, code)
    assert report.epoch == 3
    assert len(report.metrics) >= 32


FIGURES = st.floats(allow_nan=False, allow_infinity=False)


@example([1e308, -1e308])
@example([0.0])
@given(st.lists(FIGURES, min_size=1, max_size=4))
def test_no_figure_keeps_the_files_from_being_made(figures: list[float]) -> None:
    reports = [Report(epoch=n, loss=figure, metrics={"own": figure}) for n, figure in enumerate(figures, 1)]
    files = {file.name: file.data for file in report_files(metrics(*reports))}
    assert [report["loss"] for report in json.loads(files["metrics.json"])["reports"]] == figures
    assert b"nan" not in files["report.html"]
    assert b"inf" not in files["report.html"]


def test_its_own_files_are_told_from_those_that_the_script_left() -> None:
    for file in report_files(metrics(Report(epoch=1, loss=0.5))):
        assert is_report(file.name, file.data[:HEAD_BYTES])
    assert not is_report("metrics.json", b'{"f1": 0.5}')
    assert not is_report("report.html", b"<!doctype html><title>mine</title>")
    assert not is_report("model.pt", b"")


def test_files_of_an_attempt_that_was_not_sealed_are_replaced_and_those_of_the_script_stay() -> None:
    store = MemoryStore()
    store.put_bytes(OUTPUT.child("model.pt"), b"weights")
    add_reports(store, OUTPUT, metrics(Report(epoch=1, loss=0.9), run="run-1"))
    assert b"run-1" in store.objects[str(OUTPUT.child("report.html"))]
    store.put_bytes(OUTPUT.child("report.html"), b"<p>by the script</p>")
    add_reports(store, OUTPUT, metrics(Report(epoch=2, loss=0.1), run="run-2"))
    assert json.loads(store.objects[str(OUTPUT.child("metrics.json"))])["runId"] == "run-2"
    assert store.objects[str(OUTPUT.child("report.html"))] == b"<p>by the script</p>"
    assert store.objects[str(OUTPUT.child("model.pt"))] == b"weights"


def test_figures_of_an_earlier_attempt_are_no_output() -> None:
    store = MemoryStore()
    for file in report_files(metrics(Report(epoch=1))):
        store.put_bytes(OUTPUT.child(file.name), file.data)
    with pytest.raises(TrainerError) as caught:
        add_reports(store, OUTPUT, metrics())
    assert caught.value.reason is FailureReason.NO_OUTPUT


def test_a_report_of_nothing_but_zeros_is_kept() -> None:
    (record,) = metrics(Report(epoch=0, accuracy=0.0, loss=0.0))["reports"]
    assert (record["epoch"], record["accuracy"], record["loss"]) == (0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("status", "tail", "reason"),
    [
        (137, "", "OutOfMemory"),
        (-9, "", "OutOfMemory"),
        (2, "python: can't open file '/code/trian.py': [Errno 2] No such file or directory", "CodeNotFound"),
        # A helper that a script can do without is no reason for its end an hour later.
        (1, "python: can't open file '/tmp/plot.py': [Errno 2] No\none\ntwo\nValueError: nan", "UserCodeFailed"),
    ],
)
def test_how_a_command_ended(status: int, tail: str, reason: str) -> None:
    assert failure_of(status, tail).reason.value == reason
