"""One stored Event, two views: core/v1 (`involvedObject`) and events.k8s.io/v1 (`regarding`)."""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj

_PAIRS = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)


def _rename(obj: Obj, names: dict[str, str]) -> Obj:
    return {names.get(key, key): value for key, value in obj.items()}


_TO_NEW = dict(_PAIRS)
_TO_CORE = {new: core for core, new in _PAIRS}


def to_core(obj: Obj) -> Obj:
    """Return an events.k8s.io/v1 Event as core/v1."""
    out = _rename(obj, _TO_CORE)
    out["apiVersion"] = "v1"
    out.setdefault("involvedObject", {})
    return out


def from_core(obj: Obj) -> Obj:
    """Return a core/v1 Event as events.k8s.io/v1."""
    out = _rename(obj, _TO_NEW)
    out["apiVersion"] = "events.k8s.io/v1"
    for key in ("reportingController", "reportingInstance"):
        if not out.get(key):
            out.pop(key, None)
    return out
