"""Names for shell completion."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

_PATIENCE_S = 2.0


def training_names(options: dict[str, Any]) -> list[str]:
    """Names of the trainings that the options so far point at; none where the cluster does not answer at once."""
    from mnist_cli.workstation.session import Session, Where, in_session
    from mnist_kube.resources import TRAININGS

    file = options.get("kubeconfig")
    where = Where(Path(file) if file else None, options.get("context"), options.get("namespace"))
    names: list[str] = []

    async def ask(session: Session) -> int:
        async with asyncio.timeout(_PATIENCE_S):
            found = await session.list(TRAININGS.path(session.namespace))
        names.extend(item["metadata"]["name"] for item in found.get("items") or [])
        return 0

    try:
        in_session(where, ask)
    except Exception:  # noqa: BLE001 - a completion that complains is worse than none
        return []
    return names
