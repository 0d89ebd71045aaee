"""Bring a training to the API server: server-side apply with strict validation, as kubectl does it."""

from __future__ import annotations

from typing import Any

from mnist_client.errors import ConflictError, RefusedError
from mnist_client.explain import one_line
from mnist_kube.client import APPLY_PATCH, KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS


async def apply(
    api: KubeApi, namespace: str, body: Object, manager: str, *, dry_run: bool = False, force: bool = False
) -> tuple[str, Object]:
    """Return what was done, as kubectl says it (created, configured, unchanged), and the object.

    Raises RefusedError where the API does not take the manifest, in its words, ConflictError where another manager has
    a field, and ApiError for the rest.
    """
    name = body["metadata"]["name"]
    path = TRAININGS.path(namespace, name)
    before = await api.find(path)
    query = {"fieldManager": manager, "fieldValidation": "Strict"}
    query |= {"force": "true"} if force else {}
    query |= {"dryRun": "All"} if dry_run else {}
    try:
        after = await api.patch(path, _bare(body), APPLY_PATCH, query)
    except ApiError as error:
        if not _is_conflict(error):
            raise _refused(name, error) from None
        # Taking the fields over may be refused as well, by a rule of the API: then that is what to say.
        forced = query | {"force": "true", "dryRun": "All"}
        try:
            await api.patch(path, _bare(body), APPLY_PATCH, forced)
        except ApiError as worse:
            raise _refused(name, worse) from None
        raise ConflictError(one_line(error.message)) from None
    return _done(before, after), after


def _done(before: Object | None, after: Object) -> str:
    if before is None:
        return "created"
    same = before["metadata"].get("generation") == after["metadata"].get("generation")
    return "unchanged" if same and _tags(before) == _tags(after) else "configured"


def _bare(body: Object) -> Object:
    """What is asked for, without what the API wrote: an object that was read can be submitted again."""
    metadata = {key: body["metadata"][key] for key in _ASKED if key in body["metadata"]}
    if "uid" not in body["metadata"]:
        return body
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": metadata}


_ASKED = ("name", "namespace", "labels", "annotations")


def _tags(training: Object) -> list[Any]:
    return [training["metadata"].get(key) or {} for key in ("labels", "annotations")]


def _is_conflict(error: ApiError) -> bool:
    """Whether another field manager has a field."""
    return error.conflict and error.reason == "Conflict" and "conflict" in error.message.lower()


def _refused(name: str, error: ApiError) -> Exception:
    if error.status in (400, 422) or (error.status == 500 and "typed patch object" in error.message):
        return RefusedError(f"MnistTraining {name} is refused: {one_line(error.message)}")
    return error
