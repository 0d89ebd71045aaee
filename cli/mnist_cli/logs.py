"""`mnistctl logs`: the trainer's log, from the pod that has it.

That is the submitter's pod of the attempt, or with `submission.mode: HTTP` no pod at all: then the head's own log is
shown, and said to be that. With `--follow` it goes on into the pods of later attempts, until the training has ended.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, NamedTuple

import typer

from mnist_cli.cluster import Session, Where, in_cluster, one_line
from mnist_cli.options import Context, Kubeconfig, Name, Namespace
from mnist_cli.running import CommandError
from mnist_cli.status import FINAL
from mnist_kube.errors import ApiError
from mnist_kube.resources import PODS

_SUBMITTER = "app.kubernetes.io/component=submitter"
_AGAIN_S = 1.0
_BEGUN = ("Running", "Succeeded", "Failed")


def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written, into new attempts.")] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, metavar="N", help="Default: the last.")] = None,
    tail: Annotated[int | None, typer.Option("--tail", min=0, metavar="LINES", help="Only the last lines.")] = None,
    head: Annotated[bool, typer.Option("--head", help="The Ray head's own log instead.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the trainer's log."""
    request = _Request(name, follow, attempt, tail, head)
    in_cluster(Where(kubeconfig, context, namespace), lambda session: _logs(session, request))


class _Request(NamedTuple):
    """What the user asked for. Without an attempt it is the last one, and with `follow` also those after it."""

    name: str
    follow: bool = False
    attempt: int | None = None
    tail: int | None = None
    head: bool = False


class _Look(NamedTuple):
    """A training, the attempt that is meant, and the pod that has its log if there is one."""

    training: dict[str, Any]
    attempt: int
    from_head: bool
    pod: dict[str, Any] | None

    @property
    def status(self) -> dict[str, Any]:
        return self.training.get("status") or {}

    @property
    def is_over(self) -> bool:
        return self.status.get("phase") in FINAL or self.attempt < (self.status.get("attempt") or 0)

    @property
    def has_begun(self) -> bool:
        return self.pod is not None and (self.pod.get("status") or {}).get("phase") in _BEGUN

    @property
    def state(self) -> str:
        return f"{self.status.get('phase') or 'Pending'}: {self.status.get('message') or 'no operator has seen it yet'}"


async def _logs(session: Session, request: _Request) -> int:
    """Print the log to stdout, and what is to say about it to stderr; returns the exit code.

    Raises CommandError where there is no log.
    """
    import asyncio

    shown: set[str] = set()
    said = ""
    while True:
        look = await _look(session, request)
        if look.pod is not None and look.has_begun and look.pod["metadata"]["uid"] not in shown:
            if shown:
                _say(f"attempt {look.attempt}, pod {look.pod['metadata']['name']}")
            elif look.from_head and not request.head:
                _say(_http_note(look))
            if await _print(session, look.pod, request):
                shown.add(look.pod["metadata"]["uid"])
                if not request.follow:
                    return 0
                continue
        if not request.follow or look.is_over:
            return 0 if shown else _without_pod(look)
        if look.state != said:
            said = look.state
            _say(f"waiting for {'more of ' if shown else ''}the log ({said})")
        await asyncio.sleep(_AGAIN_S)


async def _look(session: Session, request: _Request) -> _Look:
    training = await session.training(request.name)
    status = training.get("status") or {}
    latest = status.get("attempt") or 0
    attempt = request.attempt or latest
    if attempt > max(latest, 1):
        raise CommandError(f"{request.name} has had {latest} attempt(s); there is no attempt {attempt}")
    by_http = (training["spec"].get("submission") or {}).get("mode") == "HTTP"
    from_head = request.head or by_http
    if from_head and attempt != latest:
        raise CommandError(f"the head of attempt {attempt} of {request.name} is gone, and its log with it", 1)
    pod = None
    if attempt and from_head:
        if name := (status.get("rayCluster") or {}).get("headPod"):
            pod = await session.api.find(PODS.path(session.namespace, name))
    elif attempt:
        pod = await _submitter(session, request.name, attempt)
    return _Look(training, attempt, from_head, pod)


async def _submitter(session: Session, name: str, attempt: int) -> dict[str, Any] | None:
    """The newest submitter pod of an attempt: its Job makes another one where the first was lost."""
    selector = f"mnist.training/training={name},{_SUBMITTER},ray.io/originated-from-cr-name={name}-{attempt}"
    pods = (await session.api.list(PODS.path(session.namespace), {"labelSelector": selector})).get("items") or []
    return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


async def _print(session: Session, pod: dict[str, Any], request: _Request) -> bool:
    """Print a pod's log; False if its container has not started."""
    import contextlib

    params = {"container": pod["spec"]["containers"][0]["name"]}
    params |= {"follow": "true"} if request.follow else {}
    params |= {"tailLines": str(request.tail)} if request.tail is not None else {}
    path = PODS.path(session.namespace, pod["metadata"]["name"], "log")
    try:
        async with contextlib.aclosing(session.api.stream(path, params)) as chunks:
            async for chunk in chunks:
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
    except ApiError as error:
        if error.not_found or "waiting to start" in error.message:
            return False
        raise
    return True


def _without_pod(look: _Look) -> int:
    name = look.training["metadata"]["name"]
    failure = look.status.get("lastFailure") or {}
    if failure.get("attempt") == look.attempt and failure.get("logTail"):
        _say(f"the pod of attempt {look.attempt} is gone; this is the end of its log, from status.lastFailure")
        print(failure["logTail"])
        return 0
    if not look.attempt or not look.is_over:
        raise CommandError(f"{name} has no log yet ({one_line(look.state)}); -f waits for it", 1)
    what = "head" if look.from_head else "submitter"
    raise CommandError(f"the {what}'s pod of attempt {look.attempt} of {name} is gone, and its log with it", 1)


def _http_note(look: _Look) -> str:
    job = (look.status.get("rayJob") or {}).get("jobId") or "ID"
    return (
        "submission.mode is HTTP, so there is no submitter pod. This is the log of the head; Ray has the trainer's: "
        f"ray job logs {job} (docs/guides/ray-jobs.md)"
    )


def _say(text: str) -> None:
    sys.stdout.flush()
    print(f"mnistctl: {text}", file=sys.stderr, flush=True)
