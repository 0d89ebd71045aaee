"""Make children: created, never adopted. One that exists is ours only when its controller reference says so."""

from __future__ import annotations

from typing import Any

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import controller_uid
from mnist_kube.resources import collection_of, path_of
from mnist_operator.api.names import KIND
from mnist_operator.builders.context import Training
from mnist_operator.builders.metadata import ANNOTATION_HASH
from mnist_operator.lifecycle.facts import Obstacle
from mnist_operator.reconcile.drift import lacks

Object = dict[str, Any]
_RAY_GROUP = "ray.io/"


class ObstructedError(Exception):
    """A child cannot be made now; the reason is for the training's status."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.message)
        self.obstacle = obstacle


class Children:
    """Creates and updates children, and remembers which are known to be as wished."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._ensured: dict[str, dict[tuple[str, str], str | None]] = {}

    def forget(self, uid: str) -> None:
        """Look at a training's children anew; those that were there are asked for before they are made."""
        if uid in self._ensured:
            self._ensured[uid] = dict.fromkeys(self._ensured[uid])

    def retain(self, uids: set[str]) -> None:
        """Drop what is known about trainings that are gone."""
        for uid in self._ensured.keys() - uids:
            del self._ensured[uid]

    async def ensure(self, training: Training, manifest: Object) -> None:
        """Create a child, or bring ours to the wished-for content when its hash differs.

        Raises:
            ObstructedError: when something in the cluster is in the way.
            ApiError: when the API server cannot be asked.
        """
        known = self._ensured.setdefault(training.uid, {})
        key = (manifest["kind"], manifest["metadata"]["name"])
        wished = manifest["metadata"]["annotations"][ANNOTATION_HASH]
        if known.get(key) == wished:
            return
        live = await self._find(training, manifest) if key in known else None
        if live is None:
            live = await self.create(training, manifest)
        if (live["metadata"].get("annotations") or {}).get(ANNOTATION_HASH) != wished or _changed(manifest, live):
            await self._update(manifest, live)
        known[key] = wished

    async def create(self, training: Training, manifest: Object) -> Object:
        """Create a child and return it; return the one that is there already if it is ours.

        Raises:
            ObstructedError: when something in the cluster is in the way.
            ApiError: when the API server cannot be asked.
        """
        # A field of a pod template that KubeRay's schema does not know would be dropped without a word.
        strict = manifest["apiVersion"].startswith(_RAY_GROUP)
        try:
            return await self._api.create(collection_of(manifest), manifest, strict=strict)
        except ApiError as error:
            if not error.already_exists:
                raise_obstacle(error, manifest)
        live = await self._find(training, manifest)
        if live is None:  # deleted in this moment
            raise ObstructedError(Obstacle("WaitingForDeletion", f"{manifest['kind']} is being deleted"))
        return live

    async def _find(self, training: Training, manifest: Object) -> Object | None:
        """Return our child, or None when there is no object of that name."""
        try:
            live = await self._api.get(path_of(manifest))
        except ApiError as error:
            if error.not_found:
                return None
            raise
        if controller_uid(live) == training.uid:
            return live
        raise ObstructedError(_foreign(training, manifest, live))

    async def _update(self, manifest: Object, live: Object) -> None:
        """Replace what we wish for; a merge patch leaves what others added to metadata alone."""
        content = _content(manifest)
        if "data" in content:
            content["data"] = {**dict.fromkeys(live.get("data") or {}), **content["data"]}
        metadata = {key: manifest["metadata"][key] for key in ("labels", "annotations")}
        content.pop("roleRef", None)  # immutable, and a function of the name
        try:
            await self._api.patch(path_of(manifest), {"metadata": metadata, **content})
        except ApiError as error:
            raise_obstacle(error, manifest)


def _content(manifest: Object) -> Object:
    return {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind", "metadata"}}


def _changed(manifest: Object, live: Object) -> bool:
    """Whether somebody changed what the hash in the annotations still promises."""
    return lacks(_content(manifest), live) or set(live.get("data") or {}) != set(manifest.get("data") or {})


def _foreign(training: Training, manifest: Object, live: Object) -> Obstacle:
    what = f"{manifest['kind']} {training.namespace}/{manifest['metadata']['name']}"
    references = live["metadata"].get("ownerReferences") or []
    if any(item.get("kind") == KIND and item.get("name") == training.name for item in references):
        return Obstacle("WaitingForDeletion", f"{what} of a former training of this name is still being deleted")
    return Obstacle(
        "ChildConflict",
        f"{what} exists and does not belong to this training; it was left alone. Delete it, or use another name",
    )


def raise_obstacle(error: ApiError, manifest: Object) -> None:
    """Raise what a refusal means for the training, or the error itself when it will pass.

    Raises:
        ObstructedError: for a refusal that a person should know of.
        ApiError: for anything else.
    """
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    if error.status == 403:
        if "exceeded quota" in error.message:
            message = f"The namespace's quota has no room: {error.message}. It is tried again"
            raise ObstructedError(Obstacle("QuotaExceeded", message)) from error
        if "being terminated" in error.message:
            raise ObstructedError(Obstacle("NamespaceTerminating", error.message)) from error
        raise ObstructedError(Obstacle("Forbidden", f"{what}: {error.message}")) from error
    if error.not_found and manifest["apiVersion"].startswith(_RAY_GROUP) and "namespaces" not in error.message:
        message = f"The cluster does not know {manifest['kind']} (ray.io/v1): install KubeRay 1.5.1 or later"
        raise ObstructedError(Obstacle("KubeRayMissing", message)) from error
    if error.status == 400 and '"spec.authOptions"' in error.message:
        message = (
            "The KubeRay in this cluster has no token authentication (authOptions): install KubeRay 1.5.1 or later"
        )
        raise ObstructedError(Obstacle("KubeRayTooOld", message)) from error
    if error.status in {400, 422}:
        raise ObstructedError(Obstacle("ChildRefused", f"{what}: {error.message}")) from error
    raise error
