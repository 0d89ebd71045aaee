"""`mnistctl suspend` and `resume`: `spec.runPolicy.suspend`, and waiting until it has taken effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mnist_cli.cluster import Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Name, Namespace

if TYPE_CHECKING:
    from mnist_client import AsyncClient

_STOPPED = ("Suspended", "Succeeded", "Failed")
_GOES = ("Pending", "Provisioning", "Running", "Succeeded", "Failed")

Wait = Annotated[bool, typer.Option("--wait", help="Return when it has taken effect.")]


def suspend(
    name: Name,
    wait: Wait = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Stop a training and free its cluster; `resume` goes on from its last checkpoint."""
    in_cluster(Where(kubeconfig, context, namespace), lambda client: _set(client, name, True, wait))


def resume(
    name: Name,
    wait: Wait = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a suspended training go on."""
    in_cluster(Where(kubeconfig, context, namespace), lambda client: _set(client, name, False, wait))


async def _set(client: AsyncClient, name: str, suspended: bool, wait: bool) -> int:
    """Suspend or resume a training, and print what was done; returns the exit code.

    With `wait` it returns when nothing of a suspended training runs any more, or a resumed one is on its way.
    """
    before = await client.get(name)
    change = client.suspend if suspended else client.resume
    await change(before)
    if before.suspended == suspended:
        state = "not " if not suspended else "" if before.phase == "Suspended" else "being "
        print(f"mnisttraining.mnist.training/{name} unchanged: it is {state}suspended")
    else:
        print(f"mnisttraining.mnist.training/{name} is being {'suspended' if suspended else 'resumed'}", flush=True)
    if wait:
        now = await client.wait(name, until=_STOPPED if suspended else _GOES)
        print(f"{name}: {now.phase}: {now.progress.message}".rstrip(": "))
    return 0
