"""`mnistctl suspend` and `resume`: `spec.runPolicy.suspend`, and waiting until it has taken effect."""

from __future__ import annotations

from typing import Any

from mnist_cli.errors import CommandError
from mnist_cli.trainings.follow import changes
from mnist_cli.trainings.progress import FINAL
from mnist_cli.workstation.session import Session
from mnist_cli.workstation.submit import MANAGER
from mnist_kube.client import MERGE_PATCH
from mnist_kube.resources import TRAININGS


async def switch(session: Session, name: str, suspend: bool, wait: bool) -> int:
    """Suspend or resume a training, and print what was done; returns the exit code.

    With `wait` it returns when nothing of a suspended training runs any more, or a resumed one is on its way.
    """
    training = await session.training(name)
    phase = (training.get("status") or {}).get("phase")
    if phase in FINAL:
        raise CommandError(f"MnistTraining {name!r} has {phase.lower()}: there is nothing to suspend or resume")
    done = "suspended" if suspend else "resumed"
    if _is_suspended(training) == suspend:
        print(f"mnisttraining.mnist.training/{name} unchanged: it is {'' if suspend else 'not '}suspended")
    else:
        path, patch = TRAININGS.path(session.namespace, name), {"spec": {"runPolicy": {"suspend": suspend}}}
        await session.patch(path, patch, MERGE_PATCH, {"fieldManager": MANAGER})
        print(f"mnisttraining.mnist.training/{name} {done}", flush=True)
    if wait:
        await _until(session, name, suspend)
    return 0


async def _until(session: Session, name: str, suspend: bool) -> None:
    async for event, training in changes(session, TRAININGS, session.namespace, name):
        status = training.get("status") or {}
        phase = status.get("phase")
        if event == "DELETED":
            raise CommandError(f"{name} was deleted", 1)
        if phase in FINAL or (phase == "Suspended") == suspend:
            print(f"{name}: {phase}: {status.get('message') or ''}".rstrip(": "))
            return


def _is_suspended(training: dict[str, Any]) -> bool:
    return bool((training["spec"].get("runPolicy") or {}).get("suspend"))
