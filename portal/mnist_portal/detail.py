"""What the page of one training shows of it, of its pods and of its events. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_client.state import FINAL, phase_of, progress_of, report_of
from mnist_kube.objects import Object, is_terminating, is_true, labels_of
from mnist_kube.quantity import parse_quantity
from mnist_portal.words import seconds_of

_MOST_EVENTS = 200
_COMPONENTS = {"head": "head", "worker": "worker", "submitter": "submitter"}


@dataclass(frozen=True)
class Moment:
    """One entry of the timeline; `lasted` is in seconds where it has an end."""

    time: str
    tone: str
    title: str
    text: str = ""


@dataclass(frozen=True)
class PodView:
    """One pod; `why` tells why it waits or fails, in Kubernetes' own words."""

    name: str
    role: str
    state: str
    tone: str
    why: str
    node: str
    restarts: int
    started: str
    container: str
    cpus: str
    memory: str
    gpus: str


@dataclass(frozen=True)
class EventView:
    """One event."""

    time: str
    is_warning: bool
    about: str
    reason: str
    text: str
    count: int


def timeline(training: Object, events: Iterable[EventView] = ()) -> list[Moment]:
    """Return what has happened, oldest first: the status knows the stages, the events the attempts and losses."""
    status, metadata = training.get("status") or {}, training["metadata"]
    moments = [Moment(metadata.get("creationTimestamp") or "", "none", "Created")]
    for condition in status.get("conditions") or []:
        title, tone = _stage(condition)
        if title:
            text = condition.get("message") or ""
            moments.append(Moment(condition["lastTransitionTime"], tone, title, text))
    if failure := status.get("lastFailure"):
        title = f"Attempt {failure['attempt']} failed: {failure['reason']}"
        moments.append(Moment(failure["time"], "bad", title, failure.get("message") or ""))
    lost = (status.get("training") or {}).get("lastLostWorker") or {}
    if lost.get("time"):
        moments.append(Moment(lost["time"], "wait", "A worker was lost", progress_of(training).last_lost))
    own = f"MnistTraining/{metadata['name']}"
    for event in events:
        if event.about == own and event.reason not in {moment.title for moment in moments}:
            moments.append(Moment(event.time, "wait" if event.is_warning else "none", event.reason, event.text))
    if status.get("nextAttemptTime"):
        moments.append(Moment(status["nextAttemptTime"], "wait", "The next attempt may start"))
    moments.sort(key=lambda moment: seconds_of(moment.time))
    return moments


def _stage(condition: Mapping[str, Any]) -> tuple[str, str]:
    held, reason = condition["status"] == "True", condition["reason"]
    match condition["type"]:
        case "Accepted":
            return ("Accepted", "none") if held else (f"Not accepted: {reason}", "bad")
        case "ClusterReady":
            return ("The Ray cluster is ready", "none") if held else (f"No Ray cluster: {reason}", "none")
        case "JobRunning":
            return ("The job runs", "busy") if held else (f"The job does not run: {reason}", "none")
        case "Suspended":
            return ("Suspended", "rest") if held else ("", "")
        case "Complete":
            return ("Succeeded", "good") if held else ("", "")
        case "Failed":
            return (f"Failed: {reason}", "bad") if held else ("", "")
    return f"{condition['type']}: {reason}", "none"


def pods_of(training: Object, pods: Iterable[Object]) -> list[PodView]:
    """Return the pods of a training: head, workers, submitter."""
    name = training["metadata"]["name"]
    cluster = ((training.get("status") or {}).get("rayCluster") or {}).get("name")
    own = [
        pod
        for pod in pods
        if labels_of(pod).get("mnist.training/training") == name
        or (cluster and labels_of(pod).get("ray.io/cluster") == cluster)
    ]
    views = [pod_view(pod) for pod in own]
    order = {"head": 0, "worker": 1, "submitter": 2}
    return sorted(views, key=lambda view: (order.get(view.role, 3), view.name))


def pod_view(pod: Object) -> PodView:
    """Read a pod as the API has it."""
    status, spec, labels = pod.get("status") or {}, pod.get("spec") or {}, labels_of(pod)
    role = labels.get("ray.io/node-type") or labels.get("app.kubernetes.io/component") or "pod"
    containers = spec.get("containers") or [{}]
    statuses = status.get("containerStatuses") or []
    phase = status.get("phase") or "Pending"
    ready = is_true(status.get("conditions") or [], "Ready")
    state = "Ending" if is_terminating(pod) else "Ready" if ready and phase == "Running" else phase
    tone = {"Ready": "good", "Succeeded": "good", "Failed": "bad", "Pending": "wait"}.get(state, "busy")
    limits = (containers[0].get("resources") or {}).get("limits") or {}
    requests = (containers[0].get("resources") or {}).get("requests") or {}
    return PodView(
        name=pod["metadata"]["name"],
        role=role,
        state=state,
        tone=tone,
        why=_why(status, statuses),
        node=spec.get("nodeName") or "",
        restarts=sum(int(one.get("restartCount") or 0) for one in statuses),
        started=status.get("startTime") or pod["metadata"].get("creationTimestamp") or "",
        container=containers[0].get("name") or "",
        cpus=str(limits.get("cpu") or requests.get("cpu") or ""),
        memory=str(limits.get("memory") or requests.get("memory") or ""),
        gpus=str(limits.get("nvidia.com/gpu") or ""),
    )


def _why(status: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> str:
    """Why a pod waits or failed: of the scheduler, of a container, of the node."""
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return f"{condition.get('reason', 'Unscheduled')}: {condition.get('message', '')}".rstrip(": ")
    for one in [*(status.get("initContainerStatuses") or []), *containers]:
        state = one.get("state") or {}
        for kind in ("waiting", "terminated"):
            held = state.get(kind) or {}
            if held.get("reason") not in (None, "Completed", "PodInitializing"):
                code = f" (exit code {held['exitCode']})" if held.get("exitCode") else ""
                return f"{one.get('name')}: {held['reason']}{code} {held.get('message', '')}".strip()
    return f"{status.get('reason') or ''} {status.get('message') or ''}".strip()


def events_of(training: Object, pods: Iterable[PodView], events: Iterable[Object]) -> list[EventView]:
    """Return the events of a training, its cluster, its jobs and its pods, newest first."""
    name, status = training["metadata"]["name"], training.get("status") or {}
    names = {name, (status.get("rayCluster") or {}).get("name"), (status.get("rayJob") or {}).get("name")}
    names |= {pod.name for pod in pods}
    prefix = f"{name}-"
    found = []
    for event in events:
        about = event.get("involvedObject") or {}
        who = str(about.get("name") or "")
        if who not in names and not who.startswith(prefix):
            continue
        if about.get("kind") == "MnistTraining" and (who != name or _is_of_former(about, training)):
            continue
        found.append(event_view(event))
    found.sort(key=lambda view: seconds_of(view.time), reverse=True)
    return found[:_MOST_EVENTS]


def _is_of_former(about: Mapping[str, Any], training: Object) -> bool:
    return bool(about.get("uid")) and about["uid"] != training["metadata"]["uid"]


def event_view(event: Object) -> EventView:
    """Read an event (`v1`) as the API has it."""
    about, series = event.get("involvedObject") or {}, event.get("series") or {}
    time = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )
    return EventView(
        time=time,
        is_warning=event.get("type") == "Warning",
        about=f"{about.get('kind', '')}/{about.get('name', '')}",
        reason=event.get("reason") or "",
        text=" ".join(str(event.get("message") or "").split()),
        count=int(series.get("count") or event.get("count") or 1),
    )


@dataclass(frozen=True)
class Figures:
    """The numbers at the top of a training's page."""

    phase: str
    is_final: bool
    share: float
    step: str
    accuracy: float | None
    loss: float | None
    speed: float | None
    left: int | None
    workers: str
    attempt: int
    failures: int
    lost: int


def figures_of(training: Object) -> Figures:
    """Read a training as the API has it."""
    status, report, progress = training.get("status") or {}, report_of(training), progress_of(training)
    result, workers = status.get("result") or {}, training["spec"].get("workers") or {}
    wanted = workers.get("replicas", 0) + sum(g.get("replicas", 0) for g in workers.get("additionalGroups") or [])
    running = report.get("workers") if progress.phase == "Running" else None
    return Figures(
        phase=progress.phase,
        is_final=progress.phase in FINAL,
        share=progress.share,
        step=progress.step,
        accuracy=result.get("accuracy", report.get("accuracy")),
        loss=report.get("loss"),
        speed=report.get("imagesPerSecond"),
        left=report.get("etaSeconds") if progress.phase == "Running" else None,
        workers=f"{running} of {wanted}" if running is not None else f"{wanted}",
        attempt=status.get("attempt") or 0,
        failures=status.get("failures") or 0,
        lost=progress.lost_workers,
    )


def can(training: Object) -> dict[str, str]:
    """Return for each action why the training's state does not let it be done; empty where it does."""
    phase, suspended = phase_of(training), bool((training["spec"].get("runPolicy") or {}).get("suspend"))
    over = f"it has {phase.lower()}" if phase in FINAL else ""
    going = "it is being deleted" if is_terminating(training) else ""
    return {
        "suspend": going or over or ("it is suspended" if suspended else ""),
        "resume": going or over or ("" if suspended else "it is not suspended"),
        "scale": going or over,
        "delete": going,
        "retry": "",
    }


def bytes_of(quantity: str) -> float:
    """Return a quantity as a number; 0 for none."""
    return float(parse_quantity(quantity)) if quantity else 0.0
