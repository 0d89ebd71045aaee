"""Delete: preconditions, finalizers of the garbage collector, grace periods."""

from __future__ import annotations

from dataclasses import dataclass

from mnist_local.apiserver import clock
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, conflict
from mnist_local.apiserver.kinds import hooks_of
from mnist_local.apiserver.rest.writes import Write, admit, unsaved
from mnist_local.apiserver.store import Entry

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_JOBS_KEEP_PODS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


@dataclass(slots=True)
class DeleteOptions:
    """The parts of `metav1.DeleteOptions` that change what a delete does."""

    propagation: str | None = None
    grace_period: int | None = None
    uid: str | None = None
    resource_version: str | None = None


def delete(ctx: Context, write: Write, entry: Entry, options: DeleteOptions) -> tuple[Entry, bool]:
    """Delete an object or mark it for deletion; returns its state and whether it is gone.

    Raises:
        ApiError: 409 a precondition does not hold; 403 refused.
    """
    check_preconditions(write, entry, options)
    if options.propagation is None and write.resource.table_name == "jobs.batch":
        write.warnings.append(_JOBS_KEEP_PODS)
    admit(ctx.admission.validating, "DELETE", write, None, entry.obj)
    hooks = hooks_of(write.resource)
    obj = entry.copy()
    metadata = obj["metadata"]
    finalizers = _finalizers(metadata, options.propagation or hooks.default_propagation)
    grace = hooks.grace_period(obj, options.grace_period)
    fresh = "deletionTimestamp" not in metadata
    if fresh:
        finalizers += [name for name in hooks.begin_delete(obj) if name not in finalizers]
    elif grace and grace >= metadata.get("deletionGracePeriodSeconds", 0):
        grace = metadata.get("deletionGracePeriodSeconds", 0)
    if not finalizers and not grace and not hooks.keeps_on_delete(obj):
        if write.dry_run:
            return entry, True
        return ctx.store.remove(ctx.table(write.resource), entry.key), True
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    _mark(metadata, grace, fresh)
    if obj == entry.obj:
        return entry, False
    if write.dry_run:
        return unsaved(entry.key, obj, entry.rv), False
    return ctx.store.put(ctx.table(write.resource), entry.key, obj), False


def _mark(metadata: Obj, grace: int, fresh: bool) -> None:
    if fresh:
        if metadata.get("generation"):
            metadata["generation"] += 1
    elif grace >= metadata.get("deletionGracePeriodSeconds", 0):
        return
    metadata["deletionTimestamp"] = clock.after(grace)
    metadata["deletionGracePeriodSeconds"] = grace


def _finalizers(metadata: Obj, propagation: str | None) -> list[str]:
    present = list(metadata.get("finalizers") or ())
    if propagation is None:
        return present
    kept = [name for name in present if name not in (FOREGROUND, ORPHAN)]
    return kept + {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(propagation, [])


def check_preconditions(write: Write, entry: Entry, options: DeleteOptions) -> None:
    """Compare uid and resourceVersion with what the client expects.

    Raises:
        ApiError: 409.
    """
    resource, metadata = write.resource, entry.obj["metadata"]
    if options.uid is not None and options.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(resource.group, resource.kind, entry.key[1], why)
    if options.resource_version is not None and options.resource_version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({metadata['resourceVersion']}). The object might have been modified"
        )
        raise conflict(resource.group, resource.kind, entry.key[1], why)


def ready_to_go(obj: Obj, old: Obj) -> bool:
    """Tell whether an update took the last finalizer of an object that waits for deletion."""
    former = old["metadata"]
    return (
        not obj["metadata"].get("finalizers")
        and "deletionTimestamp" in former
        and not former.get("deletionGracePeriodSeconds")
    )
