"""metav1.Condition lists: set, find, remove, with transition times that follow the API's rules."""

from mnist_local.kuberay.json_types import Json

TRUE, FALSE = "True", "False"


def is_true(conditions: list[Json], kind: str) -> bool:
    """Whether the condition of this type exists and is True."""
    return any(entry["type"] == kind and entry["status"] == TRUE for entry in conditions)


def put(conditions: list[Json], kind: str, status: str, reason: str, message: str, now: str) -> list[Json]:
    """The list with one condition set; its transition time moves only when its status does."""
    entry: Json = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }
    result = []
    replaced = False
    for old in conditions:
        if old["type"] != kind:
            result.append(old)
            continue
        if old["status"] == status:
            entry["lastTransitionTime"] = old["lastTransitionTime"]
        result.append(entry)
        replaced = True
    return result if replaced else [*result, entry]


def without(conditions: list[Json], kind: str) -> list[Json]:
    """The list without the condition of this type."""
    return [entry for entry in conditions if entry["type"] != kind]
