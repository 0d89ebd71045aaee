"""Follow a training until it has ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from mnist_cli.trainings.progress import progress_of
from mnist_kube.client import KubeApi
from mnist_kube.informer import Change, Informer
from mnist_kube.resources import TRAININGS, Resource

_IDLE_S = 90.0  # an API server sends a bookmark each minute


async def until_final(
    api: KubeApi, namespace: str, name: str, seen: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Call `seen` with every state of a training; returns the last one, Succeeded or Failed.

    Raises LookupError when it is deleted meanwhile.
    """
    async for event, training in changes(api, TRAININGS, namespace, name):
        if event == "DELETED":
            raise LookupError(f"{name} was deleted")
        seen(training)
        if progress_of(training).is_final:
            return training
    raise AssertionError("a watch without end")


def changes(
    api: KubeApi, resource: Resource, namespace: str | None, name: str | None = None
) -> AsyncGenerator[Change, None]:
    """Yield all objects (or the one of a name), then every change of them, through lost connections.

    A namespace of None means all. Raises ApiError where asking again would not help (forbidden, not served).
    """
    query = {"fieldSelector": f"metadata.name={name}"} if name else {}
    return Informer(api, resource, namespace, query, _IDLE_S).changes(give_up=True)
