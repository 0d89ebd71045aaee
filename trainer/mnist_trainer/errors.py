"""What can go wrong in a training, as keys that the operator understands.

The keys, their exit codes and whether a new attempt can help are a contract with the operator
(``contracts/trainer.json``, ``failureReasons``); a test compares this table with that file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class FailureReason(StrEnum):
    """Machine-readable cause of a failed training."""

    INVALID_CONFIG = "InvalidConfig"
    DATASET_NOT_FOUND = "DatasetNotFound"
    DATASET_INVALID = "DatasetInvalid"
    BUCKET_NOT_FOUND = "BucketNotFound"
    STORE_ACCESS_DENIED = "StoreAccessDenied"
    STORE_UNREACHABLE = "StoreUnreachable"
    OUT_OF_MEMORY = "OutOfMemory"
    OUT_OF_SPACE = "OutOfSpace"
    WORKERS_LOST = "WorkersLost"
    TRAINING_DIVERGED = "TrainingDiverged"
    INTERRUPTED = "Interrupted"
    REPLACED = "Replaced"
    INTERNAL_ERROR = "InternalError"
    CODE_NOT_FOUND = "CodeNotFound"
    CODE_INVALID = "CodeInvalid"
    USER_CODE_FAILED = "UserCodeFailed"
    NO_OUTPUT = "NoOutput"

    @property
    def retryable(self) -> bool:
        """Whether a new attempt with the same input can succeed."""
        return _TABLE[self][0]

    @property
    def exit_code(self) -> int:
        """Exit status of the process that failed for this reason (sysexits.h where one fits)."""
        return _TABLE[self][1]


_TABLE: dict[FailureReason, tuple[bool, int]] = {
    FailureReason.INVALID_CONFIG: (False, 2),
    FailureReason.DATASET_NOT_FOUND: (False, 65),
    FailureReason.DATASET_INVALID: (False, 65),
    FailureReason.BUCKET_NOT_FOUND: (False, 65),
    FailureReason.STORE_ACCESS_DENIED: (False, 77),
    FailureReason.STORE_UNREACHABLE: (True, 69),
    FailureReason.OUT_OF_MEMORY: (True, 71),
    FailureReason.OUT_OF_SPACE: (True, 74),
    FailureReason.WORKERS_LOST: (True, 71),
    FailureReason.TRAINING_DIVERGED: (False, 65),
    FailureReason.INTERRUPTED: (True, 75),
    FailureReason.REPLACED: (False, 76),
    FailureReason.INTERNAL_ERROR: (True, 70),
    FailureReason.CODE_NOT_FOUND: (False, 66),
    FailureReason.CODE_INVALID: (False, 65),
    FailureReason.USER_CODE_FAILED: (True, 70),
    FailureReason.NO_OUTPUT: (False, 65),
}


class TrainerError(Exception):
    """A failure with a reason and one sentence that a user can act on.

    Subclasses fix the reason: ``raise StoreUnreachable("...")``. Instances survive pickling, because Ray carries
    exceptions between processes.
    """

    reason: FailureReason
    default_reason: ClassVar[FailureReason] = FailureReason.INTERNAL_ERROR

    def __init__(self, message: str, reason: FailureReason | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason

    def __reduce__(self) -> tuple[type[TrainerError], tuple[str, FailureReason]]:
        return type(self), (self.message, self.reason)

    @property
    def retryable(self) -> bool:
        """Whether a new attempt with the same input can succeed."""
        return self.reason.retryable

    @property
    def exit_code(self) -> int:
        """Exit status of a process that ends with this error."""
        return self.reason.exit_code


class InvalidConfigError(TrainerError):
    """An option, an address or a setting that cannot work."""

    default_reason = FailureReason.INVALID_CONFIG


class DatasetNotFoundError(TrainerError):
    """A file of the dataset is not where the address says."""

    default_reason = FailureReason.DATASET_NOT_FOUND


class DatasetInvalidError(TrainerError):
    """The dataset's bytes are not what they claim to be."""

    default_reason = FailureReason.DATASET_INVALID


class ObjectNotFoundError(TrainerError):
    """No object has this address (data readers turn it into :class:`DatasetNotFoundError`)."""

    default_reason = FailureReason.INVALID_CONFIG


class ObjectTooLargeError(TrainerError):
    """An object is larger than its reader accepts."""

    default_reason = FailureReason.DATASET_INVALID


class BucketNotFoundError(TrainerError):
    """The bucket of an address does not exist."""

    default_reason = FailureReason.BUCKET_NOT_FOUND


class StoreAccessDeniedError(TrainerError):
    """The object store refuses the credentials, or they do not allow the operation."""

    default_reason = FailureReason.STORE_ACCESS_DENIED


class CredentialsRefusedError(StoreAccessDeniedError):
    """The store does not know these credentials (any more), whatever they are for: others may work."""


class StoreUnreachableError(TrainerError):
    """The object store did not answer properly within the time given to retries."""

    default_reason = FailureReason.STORE_UNREACHABLE


class OutOfSpaceError(TrainerError):
    """The store or the local disk is full."""

    default_reason = FailureReason.OUT_OF_SPACE


class CodeNotFoundError(TrainerError):
    """Code of the user's own, or a part of it, is not where it was said to be."""

    default_reason = FailureReason.CODE_NOT_FOUND


class CodeInvalidError(TrainerError):
    """Code of the user's own that cannot work."""

    default_reason = FailureReason.CODE_INVALID
