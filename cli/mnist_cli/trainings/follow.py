"""Follow a training until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from mnist_cli.trainings.objects import EVENTS, TRAININGS, one_line
from mnist_cli.trainings.progress import progress_of
from mnist_local.kuberay.kubeapi import ApiError, KubeApi, Resource

_IDLE_S = 60.0
_AGAIN_S = 0.5


async def until_final(
    api: KubeApi, namespace: str, name: str, seen: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Call `seen` with every state of a training; returns the last one, Succeeded or Failed.

    Raises LookupError when it is deleted meanwhile.
    """
    async for event, training in _changes(api, TRAININGS, namespace, f"metadata.name={name}"):
        if event == "DELETED":
            raise LookupError(f"{name} was deleted")
        seen(training)
        if progress_of(training).is_final:
            return training
    raise AssertionError("a watch without end")


async def tell_events(api: KubeApi, namespace: str, names: list[str], tell: Callable[[str, bool], None]) -> None:
    """Call `tell` (text, whether it is a warning) for events of the trainings, and for warnings of their children."""
    told: set[tuple[str, str, str]] = set()
    async for kind, event in _changes(api, EVENTS, namespace, ""):
        about = event.get("regarding") or {}
        name, warning = str(about.get("name") or ""), event.get("type") == "Warning"
        own = about.get("kind") == "MnistTraining" and name in names
        child = warning and any(name.startswith(f"{training}-") for training in names)
        text = one_line(str(event.get("note") or event.get("reason") or ""))
        key = (name, str(event.get("reason")), text)
        if kind == "DELETED" or not (own or child) or key in told:
            continue
        told.add(key)
        tell(f"{name}: {event.get('reason')}: {text}", warning)


async def _changes(
    api: KubeApi, resource: Resource, namespace: str, selector: str
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """All objects, then every change of them, through lost connections."""
    params = {"fieldSelector": selector} if selector else {}
    while True:
        try:
            found = await api.list(resource, namespace, params)
            for item in found.get("items") or []:
                yield "ADDED", item
            version = found["metadata"]["resourceVersion"]
            while True:
                query = {**params, "resourceVersion": version}
                async for event in api.watch(resource, namespace, query, _IDLE_S):
                    if event["type"] == "ERROR":
                        raise ApiError(int(event["object"].get("code") or 500), event["object"])
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        yield event["type"], event["object"]
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError):
            await asyncio.sleep(_AGAIN_S)
