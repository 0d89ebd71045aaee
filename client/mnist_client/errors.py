"""What can go wrong, each with one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations


class MnistError(Exception):
    """Base of all that this package raises for a reason outside of the caller's code.

    `message` is one sentence; `may_pass` tells whether the same call may well succeed in a moment.
    """

    may_pass = False

    def __init__(self, message: str, *, may_pass: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if may_pass is not None:
            self.may_pass = may_pass


class ConnectionFailedError(MnistError):
    """There is no usable kubeconfig, or the API server cannot be reached or trusted."""


class NotAllowedError(MnistError):
    """The API server does not accept our credentials (401), or they lack a right (403)."""


class UnauthenticatedError(NotAllowedError):
    """The API server does not accept our credentials (401)."""


class NotFoundError(MnistError):
    """There is no such training, namespace, or kind of object."""


class RefusedError(MnistError, ValueError):
    """A manifest or a change is not valid: seen here already, or said by the API server in its own words."""


class ConflictError(RefusedError):
    """Another tool manages a field that we would change; `force=True` takes it over.

    `said` is the server's own sentence.
    """

    def __init__(self, said: str) -> None:
        super().__init__(f"{said}: another tool manages that; change it there, or take it over with force=True")
        self.said = said


class StorageError(MnistError):
    """The bucket cannot be read or written: credentials, endpoint, or a missing object."""


class NoLogError(MnistError):
    """A training has no log yet, or (`yet` is false) none any more."""

    may_pass = True

    def __init__(self, message: str, *, yet: bool = False) -> None:
        super().__init__(message)
        self.yet = yet


class NotFinishedError(MnistError):
    """What was asked for is made when a training succeeds, and it has not."""

    may_pass = True


class TrainingFailed(MnistError):  # noqa: N818 - the name that the documentation promises
    """A training that was waited for has failed.

    Attributes:
        name: of the training.
        reason: one CamelCase word, such as `DatasetNotFound`.
        message: what is wrong, where, and what to do.
        log_tail: the last lines of the job's log, redacted; empty where there are none.
    """

    def __init__(self, name: str, reason: str, message: str, log_tail: str = "") -> None:
        shown = "".join(f"\n  | {line}" for line in log_tail.splitlines()[-10:])
        super().__init__(f"{name} failed: {reason}: {message}{shown}")
        self.name = name
        self.reason = reason
        self.message = message
        self.log_tail = log_tail


class TrainingDeleted(MnistError):  # noqa: N818 - the name that the documentation promises
    """A training that was waited for was deleted."""

    may_pass = True


class WaitTimeout(MnistError, TimeoutError):  # noqa: N818 - the name that the documentation promises
    """What was waited for did not come in time; the message says how far it was."""

    may_pass = True
