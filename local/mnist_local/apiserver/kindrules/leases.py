"""Leases."""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError


def _validate(obj: Obj, _old: Obj | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    causes: list[FieldError] = []
    if "holderIdentity" in spec and not spec["holderIdentity"]:
        causes.append(field.invalid("spec.holderIdentity", "", "must not be empty"))
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        causes.append(field.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if (spec.get("leaseTransitions") or 0) < 0:
        transitions = spec["leaseTransitions"]
        causes.append(field.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return causes


HOOKS = {"leases.coordination.k8s.io": Hooks(validate=_validate)}
