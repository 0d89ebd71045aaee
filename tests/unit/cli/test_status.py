from typing import Any

import pytest

from mnist_cli.status import _defaults, aligned, described
from mnist_client.show import Lines
from mnist_client.state import progress_of


def training(phase: str | None = None, attempt: int = 1, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "t"}, "status": {"phase": phase, "attempt": attempt, **status} if phase else {}}


REPORT = {
    "attempt": 1,
    "state": "Training",
    "epoch": 2,
    "epochs": 5,
    "progressPercent": 40,
    "accuracy": 0.9712,
    "loss": 0.1234,
    "imagesPerSecond": 8312.4,
    "etaSeconds": 12,
}

LOOKS = [
    (training(), "Pending"),
    (training("Provisioning", rayCluster={"workers": "1/2"}), "the Ray cluster starts, 1/2 workers"),
    (training("Provisioning", attempt=2), "the Ray cluster starts (attempt 2)"),
    (training("Running"), "the job is submitted"),
    (training("Running", training={"attempt": 1, "state": "LoadingData"}), "the data is loaded"),
    (
        training("Running", training=REPORT),
        "training, epoch 2/5: accuracy 97.12%, loss 0.123, 8,312 images/s, 12 s left",
    ),
    (
        training("Running", training={"attempt": 1, "state": "Training", "epoch": 1, "loss": -1e308}),
        "training, epoch 1/?: loss -1e+308",
    ),
    # What a former attempt reported says nothing about this one.
    (training("Running", attempt=2, training=REPORT), "the job is submitted (attempt 2)"),
    (training("Succeeded", training=REPORT), "Succeeded"),
]


@pytest.mark.parametrize(("look", "text"), LOOKS)
def test_in_words(look: dict[str, Any], text: str) -> None:
    assert progress_of(look).text == text


def test_share_and_end() -> None:
    assert progress_of(training("Running", training=REPORT)).share == 0.4
    assert progress_of(training("Running", attempt=2, training=REPORT)).share == 0
    assert progress_of(training("Succeeded")).share == 1
    assert [progress_of(training(p)).is_final for p in ("Pending", "Suspended", "Succeeded", "Failed")] == [
        False,
        False,
        True,
        True,
    ]


def test_lines_say_each_step_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = Lines()
    for eta in (12, 11, 10):
        view.update("t", progress_of(training("Running", training={**REPORT, "etaSeconds": eta})))
    view.update("t", progress_of(training("Running", training={**REPORT, "epoch": 3})))
    view.update("t", progress_of(training("Pending", message="the Secret is missing")))
    view.say("look out", warning=True)
    lines = [line.split("] ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert [line.split(":")[0:2] for line in lines[:2]] == [
        ["t", " training, epoch 2/5"],
        ["t", " training, epoch 3/5"],
    ]
    assert lines[2:] == ["t: Pending (the Secret is missing)", "warning: look out"]


def test_columns() -> None:
    assert aligned([["NAME", "PHASE", "AGE"], ["a-long-name", "", "5s"]]) == [
        "NAME          PHASE   AGE",
        "a-long-name           5s",
    ]


LOST = {"name": "t-1-worker-x7k2p", "epoch": 3, "time": "2026-01-01T00:00:00Z", "message": "Training goes on."}


def test_a_lost_worker_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = Lines()
    hurt = {**REPORT, "epoch": 3, "lostWorkers": 1, "lastLostWorker": LOST}
    for eta in (12, 11):
        view.update("t", progress_of(training("Running", training={**hurt, "etaSeconds": eta}, lostWorkers=1)))
    again = {**hurt, "lostWorkers": 2}
    view.update("t", progress_of(training("Running", training=again, lostWorkers=2)))
    lines = [line.split("] ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    said = "warning: t: worker t-1-worker-x7k2p was lost in epoch 3: Training goes on."
    assert [line for line in lines if "lost" in line] == [said, said]


def test_defaults_that_the_object_does_not_show_are_told() -> None:
    (line,) = _defaults({"training": {"epochs": 3}, "runPolicy": {"backoffLimit": 1}})
    assert line.startswith("  defaults training.model cnn, training.batchSize 64")
    assert "runPolicy.suspend false, runPolicy.clusterCleanup OnFinish" in line
    assert "submission.mode K8sJob" in line
    assert "epochs" not in line
    assert "backoffLimit" not in line


def test_a_finished_training_described() -> None:
    done = training("Succeeded")
    done["status"] |= {"reason": "Succeeded", "result": {"accuracy": 0.99, "model": "s3://m"}, "failures": 1}
    assert described(done)[:3] == ["t", "  phase    Succeeded (Succeeded)", "  attempt  1 (failures: 1)"]
    assert described(done)[-1] == "  model   s3://m"
