"""`mnistctl status`, and what a training's status says in words: for every command that shows one.

A MnistTraining comes as the API has it. `status.training` is what the trainer last reported; a report of a former
attempt says nothing about the present one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mnist_cli.cluster import Session, Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Name, Namespace
from mnist_kube.resources import TRAININGS

if TYPE_CHECKING:
    from mnist_kube.client import KubeApi

FINAL = ("Succeeded", "Failed")
_DOING = {
    "Starting": "the trainer starts",
    "LoadingData": "the data is loaded",
    "Publishing": "the model is published",
    "Interrupted": "interrupted",
    "Succeeded": "the training has ended",
    "Failed": "the trainer failed",
}
_TAIL_LINES = 10
_AS_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1, application/json"


def status(name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Tell where a training stands, and why."""

    async def show(session: Session) -> int:
        print("\n".join(described(await session.training(name))))
        return 0

    in_cluster(Where(kubeconfig, context, namespace), show)


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


def described(training: dict[str, Any]) -> list[str]:
    """A training in lines: phase, progress, conditions, cluster, job, result or last failure."""
    name, status = training["metadata"]["name"], training.get("status") or {}
    progress = progress_of(training)
    facts = {
        "phase": progress.phase + (f" ({status['reason']})" if status.get("reason") else ""),
        "message": progress.message,
        "now": "" if progress.is_final or progress.text == progress.phase else progress.text,
        "attempt": _attempt(status),
        "cluster": _joined(status.get("rayCluster"), "name", "state", "workers"),
        "lost": _lost(progress),
        "job": _joined(status.get("rayJob"), "name", "jobId", "status"),
        "started": status.get("startTime"),
        "ended": status.get("completionTime"),
    }
    lines = [name] + [f"  {key:<8} {value}" for key, value in facts.items() if value]
    for condition in status.get("conditions") or []:
        mark = {"True": "+", "False": "-"}.get(condition["status"], "?")
        lines.append(f"  {mark} {condition['type']:<12} {condition['lastTransitionTime']}  {condition['reason']}")
    return lines + (result_lines(training) if progress.is_final else [])


def _attempt(status: dict[str, Any]) -> str:
    if not status.get("attempt"):
        return ""
    counts = [f"{key}: {status[key]}" for key in ("failures", "restarts") if status.get(key)]
    return f"{status['attempt']}" + (f" ({', '.join(counts)})" if counts else "")


def _lost(progress: Progress) -> str:
    if not progress.lost_workers:
        return ""
    return f"{progress.lost_workers} worker(s)" + (f"; {progress.last_lost}" if progress.last_lost else "")


def _joined(part: dict[str, Any] | None, *fields: str) -> str:
    return ", ".join(str(part[field]) for field in fields if part and part.get(field))


def result_lines(training: dict[str, Any]) -> list[str]:
    """A finished training's accuracy and addresses, or why it failed and the end of its log."""
    name, status = training["metadata"]["name"], training.get("status") or {}
    if status.get("phase") == "Succeeded":
        result = status.get("result") or {}
        shown = {key: result.get(key) for key in ("model", "sha256", "report") if result.get(key)}
        lines = [f"{name}: accuracy {result.get('accuracy') or 0:.2%} on the test images"]
        return lines + [f"  {key:<7} {value}" for key, value in shown.items()]
    lines = [f"{name}: failed: {status.get('reason')}: {status.get('message')}"]
    tail = (status.get("lastFailure") or {}).get("logTail") or ""
    return lines + [f"  | {line}" for line in tail.splitlines()[-_TAIL_LINES:]]


async def table(api: KubeApi, names: list[tuple[str, str]]) -> list[list[str]]:
    """Header and rows of `kubectl get mnisttrainings` for these (namespace, name)."""
    header: list[str] = []
    rows = []
    for namespace, name in names:
        answer = await api.request("GET", TRAININGS.path(namespace, name), accept=_AS_TABLE)
        shown = [i for i, column in enumerate(answer["columnDefinitions"]) if not column.get("priority")]
        header = [answer["columnDefinitions"][i]["name"].upper() for i in shown]
        rows += [[_cell(row["cells"][i]) for i in shown] for row in answer["rows"]]
    return [header, *rows]


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows as lines of text in columns, as kubectl prints them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
