"""What a script reports becomes the status's fields, whatever it leaves out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kube.reporter import TrainingState
from mnist_trainer.release.script_report import encode_reports, render
from mnist_trainer.script.intake import Report
from mnist_trainer.script.progress import MAX_METRICS, ScriptProgress


class Told:
    """A reporter that remembers the status."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {}

    def update(self, state: TrainingState | None = None, **fields: Any) -> None:
        self.status.update(fields)

    def confirm(self, timeout: float) -> None: ...

    def check(self) -> None: ...


def told(*reports: Report, seconds: float = 10) -> tuple[dict[str, Any], ScriptProgress]:
    """Reports that are `seconds` apart."""
    reporter, now = Told(), iter(range(1000))
    progress = ScriptProgress(reporter, lambda: 1e9 + seconds * next(now))
    for report in reports:
        progress.take(report)
    return reporter.status, progress


def test_what_a_report_does_not_say_stays() -> None:
    status, _ = told(Report(epoch=1, epochs=4, accuracy=0.5), Report(loss=0.25), Report(workers=2))
    assert status == {"epoch": 1, "epochs": 4, "accuracy": 0.5, "loss": 0.25, "workers": 2, "progressPercent": 25}


def test_the_time_left_is_told_from_the_second_epoch_on() -> None:
    status, _ = told(Report(epoch=1, epochs=10), Report(epoch=3))
    # Clock: two looks for each report with an epoch, ten seconds apart.
    assert status["progressPercent"] == 30
    assert status["etaSeconds"] > 0


def test_losses_only_grow() -> None:
    status, _ = told(Report(workers=0, lost_workers=2), Report(workers=2, lost_workers=1))
    assert (status["workers"], status["lostWorkers"]) == (2, 2)


def test_zeros_are_figures() -> None:
    status, progress = told(Report(epoch=0, epochs=3, accuracy=0.0, loss=0.0, metrics={"f1": 0.0}))
    assert (status["epoch"], status["accuracy"], status["loss"], status["metrics"]) == (0, 0.0, 0.0, {"f1": 0.0})
    (record,) = progress.records
    assert {key: record[key] for key in ("epoch", "accuracy", "loss", "metrics")} == {
        "epoch": 0,
        "accuracy": 0.0,
        "loss": 0.0,
        "metrics": {"f1": 0.0},
    }


@given(
    st.lists(st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.floats(-1, 1), max_size=30), max_size=8)
)
def test_the_names_are_bounded_and_each_has_its_last_value(reports: list[dict[str, float]]) -> None:
    status, progress = told(*(Report(metrics=metrics) for metrics in reports))
    names = list(dict.fromkeys(name for metrics in reports for name in metrics))[:MAX_METRICS]
    last = {name: next(each[name] for each in reversed(reports) if name in each) for name in names}
    assert status.get("metrics", {}) == progress.metrics == last


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("epoch", "epochs", "accuracy", "loss", "workers", "lostWorkers", "metrics")


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)))
def test_whatever_is_sent_becomes_a_report_that_the_contract_allows(body: Any) -> None:
    report = Report.of(body)
    assert report.epoch is None or 0 <= report.epoch < 2**31
    assert report.epochs is None or 1 <= report.epochs < 2**31
    assert report.accuracy is None or 0 <= report.accuracy <= 1
    assert all(-1e308 < value < 1e308 or abs(value) < float("inf") for value in report.metrics.values())


def test_the_page_and_the_curves_show_many_reports_and_escape_what_they_show() -> None:
    _, progress = told(*(Report(metrics={"f1": number / 1000}) for number in range(900)))
    metrics = {
        "name": "<b>mine</b>", "command": ["python", "a&b.py"], "runId": "r", "attempt": 1, "accuracy": None,
        "loss": None, "epoch": None, "metrics": progress.metrics, "reports": progress.records,
    }  # fmt: skip
    page = render(metrics)
    assert "<b>mine" not in page
    assert "a&amp;b.py" in page
    assert page.count("<svg") == 1
    assert len(page) < 200_000
    assert len(encode_reports(progress.records)) > 900 * 20
