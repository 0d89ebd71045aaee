"""Changes that somebody else made to what the operator wishes for, told from what the API server adds by itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

Object = dict[str, Any]
# Of a worker group: the numbers are put right on their own, and the autoscaler names the pods that it wants to go.
_MOVING_IN_GROUP = ("replicas", "minReplicas", "maxReplicas", "scaleStrategy")
# Kueue's, or the hand's of somebody who stops a cluster; the lifecycle judges it.
_MOVING = ("suspend",)


def spec_digest(spec: Object) -> str:
    """Return a digest of a RayCluster's or a RayJob's spec without the parts that others may change."""
    fixed = {key: value for key, value in spec.items() if key not in {*_MOVING, "workerGroupSpecs"}}
    fixed["workerGroupSpecs"] = [
        {key: value for key, value in group.items() if key not in _MOVING_IN_GROUP}
        for group in spec.get("workerGroupSpecs") or []
    ]
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def lacks(wished: Any, live: Any) -> bool:
    """Whether something wished for is not there: objects may have more fields than wished for, lists no more items."""
    if isinstance(wished, dict):
        return not isinstance(live, dict) or any(lacks(value, live.get(key)) for key, value in wished.items())
    if isinstance(wished, list):
        if not isinstance(live, list) or len(live) != len(wished):
            # An empty list may be dropped by whoever stores it.
            return bool(wished or live)
        return any(lacks(one, other) for one, other in zip(wished, live, strict=True))
    return bool(wished != live)


def put_back(wished: Object, live: Object) -> Object:
    """Return the wished-for spec with what others may change as it is live."""
    kept = {key: live[key] for key in _MOVING if key in live}
    groups = {group.get("groupName"): group for group in live.get("workerGroupSpecs") or []}
    spec = {**wished, **kept}
    if "workerGroupSpecs" in wished:
        spec["workerGroupSpecs"] = [
            {**group, **{key: found[key] for key in _MOVING_IN_GROUP if key in found}}
            for group in wished["workerGroupSpecs"]
            for found in (groups.get(group["groupName"], {}),)
        ]
    return spec
