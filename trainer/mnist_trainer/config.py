"""The one description of a run: built from command-line flags, checked once, carried everywhere.

A flag's name is its field's name with dashes; ``contracts/trainer.json`` lists the flags that the operator uses.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mnist_trainer.errors import InvalidConfigError, TrainerError
from mnist_trainer.store.address import S3Address

_MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"


class ModelName(StrEnum):
    """Networks that the trainer knows; `mnist_trainer.models` builds them."""

    CNN = "cnn"
    MLP = "mlp"
    LENET5 = "lenet5"


class Precision(StrEnum):
    """Arithmetic of the forward and backward pass; parameters, sums and the optimizer are always float32."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class TrainingIdentity(BaseModel):
    """The Kubernetes object that this process trains for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: Annotated[str, Field(min_length=1, max_length=63)]
    name: Annotated[str, Field(min_length=1, max_length=253)]
    uid: Annotated[str, Field(min_length=1, max_length=64)]
    storage_secret: Annotated[str | None, Field(min_length=1, max_length=253)] = None


class JobConfig(BaseModel):
    """What every run has, whatever is run: where it reads and writes, with how many workers, and whom it reports to.

    Credentials are no part of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str
    output: str
    name: Annotated[str, Field(min_length=1, max_length=253)] = "mnist"
    workers: Annotated[int, Field(ge=1, le=4096)] = 1
    min_workers: Annotated[int | None, Field(ge=1)] = None
    max_workers: Annotated[int | None, Field(ge=1, le=4096)] = None
    gpus_per_worker: Annotated[float, Field(ge=0, le=64)] = 0
    storage_endpoint: str | None = None
    storage_region: str | None = None
    attempt: Annotated[int, Field(ge=1)] = 1
    code_archive: str | None = None
    code_sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    training: TrainingIdentity | None = None

    @field_validator("dataset", "output", "code_archive")
    @classmethod
    def _is_s3_address(cls, value: str | None) -> str | None:
        try:
            return None if value is None else str(S3Address.parse(value))
        except TrainerError as error:
            raise ValueError(error.message) from None

    @model_validator(mode="after")
    def _bounds_enclose_workers(self) -> Self:
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ValueError(f"--min-workers ({self.min_workers}) is greater than --workers ({self.workers})")
        if self.max_workers is not None and self.max_workers < self.workers:
            raise ValueError(f"--max-workers ({self.max_workers}) is less than --workers ({self.workers})")
        return self

    @model_validator(mode="after")
    def _an_archive_has_a_digest(self) -> Self:
        if (self.code_archive is None) != (self.code_sha256 is None):
            raise ValueError("--code-archive and --code-sha256 belong together: the file's digest is checked")
        return self

    @property
    def elastic(self) -> bool:
        """Whether the number of workers may change while it trains."""
        smallest, largest = self.worker_bounds
        return smallest != largest

    @property
    def worker_bounds(self) -> tuple[int, int]:
        """The smallest and the largest number of workers that it trains with; `workers` where no bound is given."""
        return self.min_workers or self.workers, self.max_workers or self.workers

    @property
    def dataset_address(self) -> S3Address:
        """Where the IDX files are."""
        return S3Address.parse(self.dataset)

    @property
    def output_address(self) -> S3Address:
        """Where everything of this training goes."""
        return S3Address.parse(self.output)

    @property
    def code_address(self) -> S3Address | None:
        """Where the zip file with the user's code is."""
        return S3Address.parse(self.code_archive) if self.code_archive else None


class RunConfig(JobConfig):
    """Everything that decides what a run of our own recipe does."""

    model: ModelName = ModelName.CNN
    code_module: Annotated[str | None, Field(pattern=_MODULE, max_length=256)] = None
    """`package.file:function` of a network of the user's own, in place of `model`."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 5
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    learning_rate: Annotated[float | None, Field(gt=0, le=100)] = None
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    precision: Precision = Precision.AUTO
    target_accuracy: Annotated[float | None, Field(ge=0, le=1)] = None


class ScriptConfig(JobConfig):
    """Everything that decides what a run of the user's own command does."""

    command: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


C = TypeVar("C", bound=JobConfig)


def parse_config(values: dict[str, object]) -> RunConfig:
    """Check `values` (by field name; None means not given). Raises InvalidConfigError with one line naming the flag."""
    return parse_as(RunConfig, values)


def parse_as(kind: type[C], values: dict[str, object]) -> C:
    """The same for any kind of configuration."""
    try:
        return kind.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        raise InvalidConfigError("; ".join(_one_line(dict(detail)) for detail in error.errors())) from None


def _one_line(detail: dict[str, object]) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    location = detail["loc"]
    if not isinstance(location, tuple) or not location:
        return message
    flag = "--" + "-".join(str(part) for part in location).replace("_", "-")
    shown = repr(detail.get("input"))
    if detail["type"] == "missing":
        return f"{flag} is missing"
    return f"{flag} {shown if len(shown) <= 80 else shown[:77] + '...'}: {message}"
