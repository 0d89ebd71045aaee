"""Why a patch was not applied."""


class PatchError(Exception):
    """A patch that is malformed (`status_code` 400) or does not fit the object (422)."""

    def __init__(self, status_code: int, message: str) -> None:
        self.status_code = status_code
        self.message = message
        super().__init__(message)
