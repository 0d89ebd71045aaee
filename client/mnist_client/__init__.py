"""The Python client: start, follow and fetch trainings from a script or a notebook.

    from mnist_client import Client, Training

    with Client() as client:
        client.submit(Training("mnist", workers=2, epochs=5, output="s3://models"))
        client.progress("mnist")
        client.result("mnist").download("model.onnx")

`AsyncClient` is the same as coroutines. Neither needs Ray or PyTorch. Importing this package is cheap: what a name
stands for is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_client.aio import AsyncClient
    from mnist_client.errors import (
        ConflictError,
        ConnectionFailedError,
        MnistError,
        NoLogError,
        NotAllowedError,
        NotFinishedError,
        NotFoundError,
        RefusedError,
        StorageError,
        TrainingDeleted,
        TrainingFailed,
        UnauthenticatedError,
        WaitTimeout,
    )
    from mnist_client.events import TrainingEvent
    from mnist_client.result import AsyncResult, Result
    from mnist_client.sync import Client
    from mnist_client.training import Change, Training
    from mnist_operator.api.code import CodeArchive, CodeSpec
    from mnist_operator.api.spec import (
        ClusterCleanup,
        ClusterReference,
        MnistTrainingSpec,
        ModelName,
        Precision,
        RaySpec,
        RunPolicy,
        ServiceAccountSpec,
        StorageSpec,
        SubmissionMode,
        SubmissionSpec,
        TrainingSpec,
    )
    from mnist_operator.api.status import MnistTrainingStatus, Phase, TrainerReport, TrainingResult
    from mnist_operator.api.workers import HeadSpec, ResourceRequirements, WorkerGroup, WorkersSpec

_ERRORS = (
    "ConflictError", "ConnectionFailedError", "MnistError", "NoLogError", "NotAllowedError", "NotFinishedError",
    "NotFoundError", "RefusedError", "StorageError", "TrainingDeleted", "TrainingFailed",
    "UnauthenticatedError", "WaitTimeout",
)  # fmt: skip
_SPEC = (
    "ClusterCleanup", "ClusterReference", "MnistTrainingSpec", "ModelName", "Precision", "RaySpec", "RunPolicy",
    "ServiceAccountSpec", "StorageSpec", "SubmissionMode", "SubmissionSpec", "TrainingSpec",
)  # fmt: skip
_CODE = ("CodeArchive", "CodeSpec")
_STATUS = ("MnistTrainingStatus", "Phase", "TrainerReport", "TrainingResult")
_WORKERS = ("HeadSpec", "ResourceRequirements", "WorkerGroup", "WorkersSpec")
_WHERE = {
    "AsyncClient": "mnist_client.aio",
    "AsyncResult": "mnist_client.result",
    "Change": "mnist_client.training",
    "Client": "mnist_client.sync",
    "Result": "mnist_client.result",
    "Training": "mnist_client.training",
    "TrainingEvent": "mnist_client.events",
    **dict.fromkeys(_ERRORS, "mnist_client.errors"),
    **dict.fromkeys(_CODE, "mnist_operator.api.code"),
    **dict.fromkeys(_SPEC, "mnist_operator.api.spec"),
    **dict.fromkeys(_STATUS, "mnist_operator.api.status"),
    **dict.fromkeys(_WORKERS, "mnist_operator.api.workers"),
}

__all__ = [
    "AsyncClient",
    "AsyncResult",
    "Change",
    "Client",
    "ClusterCleanup",
    "ClusterReference",
    "CodeArchive",
    "CodeSpec",
    "ConflictError",
    "ConnectionFailedError",
    "HeadSpec",
    "MnistError",
    "MnistTrainingSpec",
    "MnistTrainingStatus",
    "ModelName",
    "NoLogError",
    "NotAllowedError",
    "NotFinishedError",
    "NotFoundError",
    "Phase",
    "Precision",
    "RaySpec",
    "RefusedError",
    "ResourceRequirements",
    "Result",
    "RunPolicy",
    "ServiceAccountSpec",
    "StorageError",
    "StorageSpec",
    "SubmissionMode",
    "SubmissionSpec",
    "TrainerReport",
    "Training",
    "TrainingDeleted",
    "TrainingEvent",
    "TrainingFailed",
    "TrainingResult",
    "TrainingSpec",
    "UnauthenticatedError",
    "WaitTimeout",
    "WorkerGroup",
    "WorkersSpec",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
