"""What can go wrong with a local stack."""

from __future__ import annotations


class StackError(Exception):
    """One sentence for the user. `tail` has the last lines of the log that tells more, `log` is where it lies."""

    def __init__(self, message: str, tail: tuple[str, ...] = (), log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.tail = tail
        self.log = log


class StackRefusedError(StackError):
    """The stack cannot start as it was asked to: the user has to change something."""
