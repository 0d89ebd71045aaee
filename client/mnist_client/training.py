"""A training as Python sees it: written comfortably, read with types, and the API's own object beneath."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypedDict, Unpack

from mnist_client.errors import RefusedError, TrainingDeleted, TrainingFailed
from mnist_client.state import FINAL, Progress, phase_of, progress_of, state_of

if TYPE_CHECKING:
    from mnist_operator.api.code import CodeSpec
    from mnist_operator.api.spec import (
        ClusterReference,
        MnistTrainingSpec,
        RaySpec,
        RunPolicy,
        ServiceAccountSpec,
        StorageSpec,
        SubmissionSpec,
        TrainingSpec,
    )
    from mnist_operator.api.status import MnistTrainingStatus, TrainerReport, TrainingResult
    from mnist_operator.api.workers import HeadSpec, WorkersSpec

Section = Mapping[str, Any]


class Fields(TypedDict, total=False):
    """What a training can be made of: the sections of its spec, and their most used fields by themselves."""

    model: str
    epochs: int
    batch_size: int
    learning_rate: float | None
    seed: int
    precision: str
    target_accuracy: float | None

    dataset: str
    output: str
    endpoint: str | None
    region: str | None
    credentials_secret: str

    suspend: bool
    backoff_limit: int
    active_deadline_seconds: int | None
    ttl_seconds_after_finished: int | None
    cluster_cleanup: str

    image: str | None

    code: CodeSpec | Section
    workers: int | WorkersSpec | Section
    cluster_ref: str | ClusterReference | Section
    submission: str | SubmissionSpec | Section
    training: TrainingSpec | Section
    head: HeadSpec | Section
    ray: RaySpec | Section
    storage: StorageSpec | Section
    service_account: ServiceAccountSpec | Section
    run_policy: RunPolicy | Section


class Training:
    """One MnistTraining.

    Args:
        name: of the training, a DNS label of at most 42 characters.
        namespace: where; None for the client's.
        labels: of the object.
        annotations: of the object.
        fields: sections of the spec, as models, dictionaries or, for `workers`, a number; and by themselves the fields
            of `training` (`epochs`, `model`, ...), `storage` (`dataset`, `output`, ...) and `runPolicy` (`suspend`,
            ...), and `image`. See `Fields`.

    Raises:
        RefusedError: for a field that there is not, or a value that it cannot have.
    """

    def __init__(
        self,
        name: str,
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **fields: Unpack[Fields],
    ) -> None:
        from mnist_client.build import new_object

        self.object: dict[str, Any] = new_object(name, namespace, labels, annotations, fields)
        """The training as the API has it, or will have it."""

    @classmethod
    def of(cls, obj: dict[str, Any]) -> Self:
        """Return the training that an object of the API is."""
        made = cls.__new__(cls)
        made.object = obj
        return made

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read the one MnistTraining of a file. Raises RefusedError where it holds something else."""
        from mnist_client.manifests import read_one

        return cls.of(read_one(Path(path)).body)

    def replace(self, *, name: str | None = None, namespace: str | None = None, **fields: Unpack[Fields]) -> Self:
        """Return a new training that is as this one but for what is named here. Raises RefusedError as the class."""
        from mnist_client.build import replaced

        return self.of(replaced(self.object, name, namespace, fields))

    def __repr__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"<Training {where}{self.name}: {self.progress.text}>"

    def _repr_html_(self) -> str:
        from mnist_client.page import progress_html

        return progress_html({self.name: self.progress})

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        """Where it is; None for one that names no namespace yet."""
        found: str | None = self.object["metadata"].get("namespace")
        return found

    @property
    def uid(self) -> str | None:
        """What tells it from others of the same name; None before it is submitted."""
        found: str | None = self.object["metadata"].get("uid")
        return found

    @cached_property
    def spec(self) -> MnistTrainingSpec:
        """What is asked for, with defaults."""
        from mnist_operator.api.spec import parse_spec

        return parse_spec(self.object.get("spec") or {})

    # --- how it is ----------------------------------------------------------------------------------------------------

    @cached_property
    def status(self) -> MnistTrainingStatus:
        """What operator and trainer say."""
        from mnist_operator.api.status import MnistTrainingStatus

        return MnistTrainingStatus.model_validate(self.object.get("status") or {})

    @property
    def phase(self) -> str:
        """Pending, Provisioning, Running, Suspended, Succeeded or Failed."""
        return phase_of(self.object)

    @property
    def message(self) -> str:
        """One sentence on where it stands."""
        return state_of(self.object)

    @property
    def progress(self) -> Progress:
        """Where it stands, in words and as a share of 0 to 1."""
        return progress_of(self.object)

    @property
    def report(self) -> TrainerReport | None:
        """What the trainer last reported in the present attempt."""
        report = self.status.training
        return report if report is not None and report.attempt == self.status.attempt else None

    @property
    def result(self) -> TrainingResult | None:
        """Accuracy, and addresses of what was left in the bucket; None until it has succeeded."""
        return self.status.result

    @property
    def is_final(self) -> bool:
        """Whether it has ended, well or not."""
        return self.phase in FINAL

    @property
    def succeeded(self) -> bool:
        return self.phase == "Succeeded"

    @property
    def suspended(self) -> bool:
        """Whether it is asked to be suspended; `phase` tells whether it is by now."""
        return bool(((self.object.get("spec") or {}).get("runPolicy") or {}).get("suspend"))

    def failure(self, log_tail: str = "") -> TrainingFailed:
        """Return why it failed, as an error to raise; `log_tail` is taken where the status holds none."""
        status = self.object.get("status") or {}
        tail = (status.get("lastFailure") or {}).get("logTail") or log_tail
        return TrainingFailed(self.name, status.get("reason") or "Failed", status.get("message") or "", tail)

    @property
    def run_prefix(self) -> str | None:
        """Address below which everything of this training is kept; None before it is submitted."""
        if not self.uid:
            return None
        output = str(self.object["spec"]["storage"]["output"])
        return f"{output.rstrip('/')}/{self.namespace}/{self.name}/{self.uid}"


class Change(NamedTuple):
    """Something that happened to a training: ADDED (or there already), MODIFIED or DELETED."""

    type: str
    training: Training

    def outcome(self) -> Training:
        """Return the training if it has succeeded. Raises TrainingFailed or TrainingDeleted."""
        if self.type == "DELETED":
            raise TrainingDeleted(f"{self.training.name} was deleted")
        if not self.training.succeeded:
            raise self.training.failure()
        return self.training


def known_phases(wanted: str | Collection[str]) -> set[str]:
    """Return a phase, or phases, as a set. Raises RefusedError for what is none: nobody should wait for it."""
    from mnist_operator.api.status import Phase

    found = {wanted} if isinstance(wanted, str) else set(wanted)
    if unknown := sorted(found - set(Phase)):
        raise RefusedError(f"there is no phase {unknown[0]!r}, but {', '.join(Phase)}")
    return {str(phase) for phase in found}
