"""What a training's status says in words and in one number.

A MnistTraining comes as the API has it. `status.training` is what the trainer last reported; a report of a former
attempt says nothing about the present one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

FINAL = ("Succeeded", "Failed")
_FAR_AWAY = 1e6
_DOING = {
    "Starting": "the trainer starts",
    "LoadingData": "the data is loaded",
    "Publishing": "the model is published",
    "Interrupted": "interrupted",
    "Succeeded": "the training has ended",
    "Failed": "the trainer failed",
}


class Progress(NamedTuple):
    """One look at a training. `share` is 0 to 1, `step` is what it does, `figures` are the numbers of that.

    `lost_workers` counts those that this training has lost; `last_lost` is a sentence on the last one, empty without.
    """

    phase: str
    step: str
    figures: str
    share: float
    message: str
    lost_workers: int = 0
    last_lost: str = ""

    @property
    def text(self) -> str:
        """Such as "training, epoch 2/5: accuracy 97.12%, loss 0.123"."""
        return f"{self.step}: {self.figures}" if self.figures else self.step

    @property
    def is_final(self) -> bool:
        """Whether it has ended, well or not."""
        return self.phase in FINAL


def phase_of(training: Mapping[str, Any]) -> str:
    """Return the phase; Pending until the operator has seen the training."""
    return str((training.get("status") or {}).get("phase") or "Pending")


def state_of(training: Mapping[str, Any]) -> str:
    """Return phase and message in one sentence."""
    message = (training.get("status") or {}).get("message") or "no operator has seen it yet"
    return " ".join(f"{phase_of(training)}: {message}".split())


def report_of(training: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the trainer reported in the present attempt; empty if nothing yet."""
    status = training.get("status") or {}
    report: Mapping[str, Any] = status.get("training") or {}
    return report if report.get("attempt") == status.get("attempt") else {}


def progress_of(training: Mapping[str, Any]) -> Progress:
    """Read a MnistTraining as the API returned it."""
    status, phase, report = training.get("status") or {}, phase_of(training), report_of(training)
    step, figures = _step(phase, status, report)
    share = 1.0 if phase == "Succeeded" else (report.get("progressPercent") or 0) / 100
    lost = status.get("lostWorkers") or report.get("lostWorkers") or 0
    return Progress(phase, step, figures, share, status.get("message") or "", lost, _last_lost(report))


def _last_lost(report: Mapping[str, Any]) -> str:
    last = report.get("lastLostWorker") or {}
    if not last.get("name"):
        return ""
    epoch = f" in epoch {last['epoch']}" if last.get("epoch") else ""
    return f"worker {last['name']} was lost{epoch}" + (f": {last['message']}" if last.get("message") else "")


def _step(phase: str, status: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[str, str]:
    again = f" (attempt {status['attempt']})" if (status.get("attempt") or 1) > 1 else ""
    if phase == "Provisioning":
        workers = (status.get("rayCluster") or {}).get("workers")
        return f"the Ray cluster starts{again}" + (f", {workers} workers" if workers else ""), ""
    if phase != "Running":
        return phase, ""
    state = report.get("state")
    if state == "Training":
        return f"training, epoch {report.get('epoch') or 0}/{report.get('epochs', '?')}{again}", _figures(report)
    if state in _DOING:
        return _DOING[state] + again, ""
    return f"the job is submitted{again}", ""


def loss_text(loss: float) -> str:
    """Return a loss with three decimals, or one that ran away with an exponent."""
    return f"{loss:.3f}" if abs(loss) < _FAR_AWAY else f"{loss:.3g}"


def _figures(report: Mapping[str, Any]) -> str:
    parts = []
    if report.get("accuracy") is not None:
        parts.append(f"accuracy {report['accuracy']:.2%}")
    if report.get("loss") is not None:
        parts.append(f"loss {loss_text(report['loss'])}")
    if report.get("imagesPerSecond"):
        parts.append(f"{report['imagesPerSecond']:,.0f} images/s")
    if report.get("etaSeconds"):
        parts.append(f"{report['etaSeconds']} s left")
    return ", ".join(parts)
