"""What came of a training, in lines."""

from __future__ import annotations

from typing import Any

_TAIL_LINES = 10


def result_lines(training: dict[str, Any]) -> list[str]:
    """A finished training's accuracy and addresses, or why it failed and the end of its log."""
    name, status = training["metadata"]["name"], training.get("status") or {}
    if status.get("phase") == "Succeeded":
        result = status.get("result") or {}
        shown = {key: result.get(key) for key in ("model", "sha256", "report") if result.get(key)}
        lines = [f"{name}: accuracy {result.get('accuracy') or 0:.2%} on the test images"]
        return lines + [f"  {key:<7} {value}" for key, value in shown.items()]
    lines = [f"{name}: failed: {status.get('reason')}: {status.get('message')}"]
    tail = (status.get("lastFailure") or {}).get("logTail") or ""
    return lines + [f"  | {line}" for line in tail.splitlines()[-_TAIL_LINES:]]
