"""What a training's status says, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FINAL = ("Succeeded", "Failed")
_DOING = {
    "Starting": "the trainer starts",
    "LoadingData": "the data is loaded",
    "Publishing": "the model is published",
    "Interrupted": "interrupted",
    "Succeeded": "the training has ended",
    "Failed": "the trainer failed",
}


@dataclass(frozen=True)
class Progress:
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
        """Step and figures together."""
        return f"{self.step}: {self.figures}" if self.figures else self.step

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self.phase in FINAL


def progress_of(training: dict[str, Any]) -> Progress:
    """Read a MnistTraining as the API returned it."""
    status = training.get("status") or {}
    phase = status.get("phase") or "Pending"
    report = status.get("training") or {}
    if report.get("attempt") != status.get("attempt"):
        report = {}
    step, figures = _step(phase, status, report)
    share = 1.0 if phase == "Succeeded" else (report.get("progressPercent") or 0) / 100
    lost = status.get("lostWorkers") or report.get("lostWorkers") or 0
    return Progress(phase, step, figures, share, status.get("message") or "", lost, _last_lost(report))


def _last_lost(report: dict[str, Any]) -> str:
    last = report.get("lastLostWorker") or {}
    if not last.get("name"):
        return ""
    epoch = f" in epoch {last['epoch']}" if last.get("epoch") else ""
    return f"worker {last['name']} was lost{epoch}" + (f": {last['message']}" if last.get("message") else "")


def _step(phase: str, status: dict[str, Any], report: dict[str, Any]) -> tuple[str, str]:
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


def _figures(report: dict[str, Any]) -> str:
    parts = []
    if report.get("accuracy") is not None:
        parts.append(f"accuracy {report['accuracy']:.2%}")
    if report.get("loss") is not None:
        parts.append(f"loss {report['loss']:.3f}")
    if report.get("imagesPerSecond"):
        parts.append(f"{report['imagesPerSecond']:,.0f} images/s")
    if report.get("etaSeconds"):
        parts.append(f"{report['etaSeconds']} s left")
    return ", ".join(parts)
