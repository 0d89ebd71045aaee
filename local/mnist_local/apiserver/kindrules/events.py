"""Events: lenient for core/v1 as they always were, strict for events.k8s.io/v1. Both are kept in the core form."""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.names import qualified_name
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
_DEPRECATED = ("firstTimestamp", "lastTimestamp", "count")
_FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime",
    "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


def _common(obj: Obj, controller: str) -> list[FieldError]:
    causes: list[FieldError] = []
    namespace = obj["metadata"].get("namespace", "")
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    timed = bool(obj.get("eventTime"))
    agrees = about == namespace if about else namespace == "default" or (timed and namespace == "kube-system")
    if not agrees and not (timed and about):
        causes.append(field.invalid("involvedObject.namespace", about, "does not match event.namespace"))
    if not timed:
        return causes
    if not obj.get("reportingComponent"):
        causes.append(field.required(controller))
    name = obj.get("reportingComponent", "")
    causes += [field.invalid(controller, name, text) for text in qualified_name(name)]
    causes += [field.required(key) for key in ("reportingInstance", "action", "reason") if not obj.get(key)]
    causes += [
        field.invalid(key, "", f"can have at most {limit} characters")
        for key, limit in _LIMITS.items()
        if len(str(obj.get(key) or "").encode()) > limit
    ]
    return causes


def _series(obj: Obj) -> list[FieldError]:
    series = obj.get("series")
    if not series:
        return []
    causes: list[FieldError] = []
    if (series.get("count") or 0) < 2:
        causes.append(field.invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        causes.append(field.required("series.lastObservedTime"))
    return causes


def _validate_core(obj: Obj, _old: Obj | None) -> list[FieldError]:
    return _common(obj, "reportingComponent")


def _validate_new(obj: Obj, old: Obj | None) -> list[FieldError]:
    causes = _common(obj, "reportingController")
    if old is None:
        if not obj.get("eventTime"):
            causes.append(field.required("eventTime"))
        if obj.get("type") not in ("Normal", "Warning"):
            causes.append(field.invalid("type", "", "has invalid value: " + str(obj.get("type", ""))))
        causes += [field.invalid(key, "", "needs to be unset") for key in _DEPRECATED if obj.get(key)]
        if any((obj.get("source") or {}).values()):
            causes.append(field.invalid("source", "", "needs to be unset"))
        return causes + _series(obj)
    if obj.get("series") != old.get("series"):
        causes += _series(obj)
    changed = [key for key in _FIXED if (obj.get(key) or None) != (old.get(key) or None)]
    return causes + [field.invalid(key, obj.get(key), "field is immutable") for key in changed]


def _fill(obj: Obj) -> None:
    """Set the fields that the real server shows even where they are empty."""
    obj.setdefault("source", {})
    for key in ("firstTimestamp", "lastTimestamp", "eventTime"):
        obj.setdefault(key, None)
    for key in ("reportingComponent", "reportingInstance"):
        obj.setdefault(key, "")


def _refill(obj: Obj, _old: Obj) -> None:
    _fill(obj)


HOOKS = {
    "events": Hooks(validate=_validate_core, prepare_create=_fill, prepare_update=_refill),
    "events.events.k8s.io": Hooks(validate=_validate_new, prepare_create=_fill, prepare_update=_refill),
}
