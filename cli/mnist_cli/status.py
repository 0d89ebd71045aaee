"""`mnistctl status`, and how a training is written in lines: for every command that prints one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mnist_cli.cluster import Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Name, Namespace
from mnist_client.state import Progress, progress_of
from mnist_kube.resources import TRAININGS

if TYPE_CHECKING:
    from mnist_client import AsyncClient
    from mnist_kube.client import KubeApi

_TAIL_LINES = 10
_AS_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1, application/json"


def status(name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Tell where a training stands, and why."""

    async def show(client: AsyncClient) -> int:
        training = (await client.get(name)).object
        print("\n".join([*described(training), *_defaults(training.get("spec") or {})]))
        return 0

    in_cluster(Where(kubeconfig, context, namespace), show)


def _defaults(spec: dict[str, Any]) -> list[str]:
    """A line with the defaults that apply and that the object does not show; none where there is no operator's code."""
    try:
        from mnist_operator.api.spec import unwritten_defaults
    except ModuleNotFoundError:  # the trainer's image
        return []
    found = unwritten_defaults(spec).items()
    told = [f"{path} {json.dumps(value) if isinstance(value, bool) else value}" for path, value in found]
    return [f"  {'defaults':<8} {', '.join(told)}"] if told else []


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
