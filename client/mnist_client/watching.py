"""Watches: every change of objects, as the API server tells of it, through lost connections and restarts of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from mnist_kube.client import KubeApi
from mnist_kube.informer import Change, Informer
from mnist_kube.resources import Resource

_IDLE_S = 90.0  # an API server sends a bookmark each minute


def changes(
    api: KubeApi,
    resource: Resource,
    namespace: str | None,
    name: str | None = None,
    *,
    labels: str = "",
) -> AsyncGenerator[Change, None]:
    """Yield all objects (or the one of a name, or those with these labels), then every change of them, without end.

    A namespace of None means all. A version that is too old (410) is listed anew, a lost connection is made again,
    later and later up to a second. Raises ApiError where asking again would not help (forbidden, not served).
    """
    query = {"fieldSelector": f"metadata.name={name}"} if name else {}
    query |= {"labelSelector": labels} if labels else {}
    return Informer(api, resource, namespace, query, _IDLE_S).changes(give_up=True)
