"""Write the status: only what changed, only over the version it was decided on, never the trainer's part."""

from __future__ import annotations

from typing import Any

from mnist_operator.api.status import MnistTrainingStatus

Object = dict[str, Any]


def status_patch(before: Object, after: MnistTrainingStatus, resource_version: str) -> Object | None:
    """Return the merge patch (RFC 7386) that turns the stored status into `after`; None when it is that already.

    Args:
        before: the status as stored.
        after: the status that was decided on; its `training` is the trainer's and is left out.
        resource_version: the version that was decided on. The server refuses the patch when there is a newer one.
    """
    wished = after.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"training"})
    stored = {key: value for key, value in before.items() if key != "training"}
    if not stored.get("conditions") and not wished.get("conditions"):
        wished.pop("conditions", None)
    changes = _difference(stored, wished)
    if not changes:
        return None
    return {"metadata": {"resourceVersion": resource_version}, "status": changes}


def _difference(before: Object, after: Object) -> Object:
    changes: Object = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if old == value:
            continue
        changes[key] = _difference(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return changes
