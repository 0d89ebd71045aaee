"""How a command says that it cannot go on."""

from __future__ import annotations


class CommandError(Exception):
    """One line for the user. `exit_code` is 2 where the user has to change something, 1 where it may pass or failed."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
