"""`mnistctl suspend` and `resume`: `spec.runPolicy.suspend`, and waiting until it has taken effect."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mnist_cli.cluster import MANAGER, Session, Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Name, Namespace
from mnist_cli.running import CommandError
from mnist_cli.status import FINAL
from mnist_kube.resources import TRAININGS

Wait = Annotated[bool, typer.Option("--wait", help="Return when it has taken effect.")]


def suspend(
    name: Name,
    wait: Wait = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Stop a training and free its cluster; `resume` goes on from its last checkpoint."""
    in_cluster(Where(kubeconfig, context, namespace), lambda session: _set(session, name, True, wait))


def resume(
    name: Name,
    wait: Wait = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a suspended training go on."""
    in_cluster(Where(kubeconfig, context, namespace), lambda session: _set(session, name, False, wait))


async def _set(session: Session, name: str, suspended: bool, wait: bool) -> int:
    """Suspend or resume a training, and print what was done; returns the exit code.

    With `wait` it returns when nothing of a suspended training runs any more, or a resumed one is on its way.
    """
    training = await session.training(name)
    phase = (training.get("status") or {}).get("phase")
    if phase in FINAL:
        raise CommandError(f"MnistTraining {name!r} has {phase.lower()}: there is nothing to suspend or resume")
    done = "suspended" if suspended else "resumed"
    if _is_suspended(training) == suspended:
        print(f"mnisttraining.mnist.training/{name} unchanged: it is {'' if suspended else 'not '}suspended")
    else:
        change = {"spec": {"runPolicy": {"suspend": suspended}}}
        await session.api.patch(TRAININGS.path(session.namespace, name), change, query={"fieldManager": MANAGER})
        print(f"mnisttraining.mnist.training/{name} {done}", flush=True)
    if wait:
        await _until(session, name, suspended)
    return 0


async def _until(session: Session, name: str, suspended: bool) -> None:
    from mnist_cli.follow import changes

    async for event, training in changes(session.api, TRAININGS, session.namespace, name):
        status = training.get("status") or {}
        phase = status.get("phase")
        if event == "DELETED":
            raise CommandError(f"{name} was deleted", 1)
        if phase in FINAL or (phase == "Suspended") == suspended:
            print(f"{name}: {phase}: {status.get('message') or ''}".rstrip(": "))
            return


def _is_suspended(training: dict[str, Any]) -> bool:
    return bool((training["spec"].get("runPolicy") or {}).get("suspend"))
