"""Why a patch was not applied."""

from collections.abc import Sequence


class PatchError(Exception):
    """A patch that is malformed (`status_code` 400) or does not fit the object (422)."""

    def __init__(self, status_code: int, message: str) -> None:
        self.status_code = status_code
        self.message = message
        super().__init__(message)


class ApplyConflict(Exception):  # noqa: N818 (the API's own name)
    """Fields that other managers have set to other values.

    `conflicts` has (manager as messages name it, field path); `message` is the API server's sentence. In a Status each
    conflict is a cause of type FieldManagerConflict with message `conflict with <manager>` and field `<path>`.
    """

    def __init__(self, conflicts: Sequence[tuple[str, str]]) -> None:
        self.conflicts = sorted(conflicts)
        self.message = _message(self.conflicts)
        super().__init__(self.message)


def _message(conflicts: Sequence[tuple[str, str]]) -> str:
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {manager}: {path}"
    by_manager: dict[str, list[str]] = {}
    for manager, path in conflicts:
        by_manager.setdefault(manager, []).append(path)
    lines: list[str] = []
    for manager, paths in by_manager.items():
        lines += [f"conflicts with {manager}:", *(f"- {path}" for path in paths)]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
