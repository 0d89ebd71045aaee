"""What a user may choose about a stack."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Ports are 0 for any free one. `restart` starts parts again that crashed; without it a crash ends the stack."""

    api_port: int = 0
    s3_port: int = 0
    restart: bool = False
    namespaces: tuple[str, ...] = ("default",)
