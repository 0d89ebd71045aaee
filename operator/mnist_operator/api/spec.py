"""What a user asks for: the spec of a MnistTraining. Field descriptions are what `kubectl explain` shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from mnist_operator.api.code import CodeSpec
from mnist_operator.api.fields import (
    FROZEN,
    Annotations,
    ApiModel,
    DnsSubdomain,
    LocalObjectReference,
    S3Uri,
    cel,
    fixed,
    unchanged,
    validations,
)
from mnist_operator.api.workers import HeadSpec, WorkersSpec


class ModelName(StrEnum):
    """Networks that the trainer knows."""

    CNN = "cnn"
    MLP = "mlp"
    LENET5 = "lenet5"


class Precision(StrEnum):
    """Arithmetic of the forward and backward pass."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class ClusterCleanup(StrEnum):
    """When the cluster that the operator made for a training is deleted."""

    ON_FINISH = "OnFinish"
    ON_SUCCESS = "OnSuccess"
    NEVER = "Never"


class SubmissionMode(StrEnum):
    """How KubeRay hands the job to Ray."""

    K8S_JOB = "K8sJob"
    HTTP = "HTTP"


class TrainingSpec(ApiModel):
    """What is trained, and how. Cannot be changed after creation: a run's numbers would lose their meaning."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "self == oldSelf",
                "spec.training cannot be changed; delete this training and create another, or use a new name",
                reason="FieldValueForbidden",
            )
        )
    )

    model: Annotated[
        ModelName,
        Field(
            description="Network to train: `cnn` (the most accurate), `lenet5` (the classic) or `mlp`.",
            json_schema_extra=FROZEN,
        ),
    ] = ModelName.CNN
    epochs: Annotated[
        int, Field(ge=1, le=10_000, description="Passes over the training images.", json_schema_extra=FROZEN)
    ] = 5
    batch_size: Annotated[
        int,
        Field(
            ge=1,
            le=65_536,
            description="Images per step and worker. One step sees batchSize x replicas images; while workers come "
            "and go, that product is kept.",
            json_schema_extra=FROZEN,
        ),
    ] = 64
    learning_rate: Annotated[
        float | None,
        Field(
            gt=0,
            le=100,
            description="Peak of the one-cycle schedule. Absent: the model's own, scaled with the batch.",
        ),
    ] = None
    seed: Annotated[
        int,
        Field(
            ge=0,
            le=2_147_483_647,
            description="Seed of initial weights, shuffling and augmentation.",
            json_schema_extra=FROZEN,
        ),
    ] = 0
    precision: Annotated[
        Precision,
        Field(
            description="`fp32`, `bf16`, or `auto`: bf16 where the device computes faster in it.",
            json_schema_extra=FROZEN,
        ),
    ] = Precision.AUTO
    target_accuracy: Annotated[
        float | None,
        Field(ge=0, le=1, description="Stop early once the test accuracy of an epoch reaches this share (0 to 1)."),
    ] = None


class RaySpec(ApiModel):
    """Ray itself: its version and the image that every pod runs."""

    version: Annotated[
        str,
        Field(
            max_length=64,
            pattern=r"^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$",
            description="Ray's version. It must be the version in the image. Absent, as `image` is: the version in the "
            "operator's default image.",
        ),
    ] = "2.60.0"
    image: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=512,
            description="Trainer image. Absent: the operator's default. Takes effect at the next attempt.",
        ),
    ] = None
    image_pull_policy: Annotated[
        str | None,
        Field(
            max_length=16, json_schema_extra={"enum": ["Always", "IfNotPresent", "Never"]}, description="As in a Pod."
        ),
    ] = None
    image_pull_secrets: Annotated[
        list[LocalObjectReference], Field(max_length=16, description="Secrets with registry credentials, as in a Pod.")
    ] = []


class ClusterReference(ApiModel):
    """A RayCluster that runs already."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=53,
            pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
            description="Name of a RayCluster in the training's namespace. It is used, never changed or deleted.",
        ),
    ]


class StorageSpec(ApiModel):
    """Where the data is and where the model goes: any S3-compatible store."""

    endpoint: Annotated[
        str | None,
        Field(
            max_length=512,
            pattern=r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$",
            description="Address of the store, such as https://minio.example.org:9000. Absent: AWS_ENDPOINT_URL of the "
            "Secret, else AWS.",
        ),
    ] = None
    region: Annotated[
        str | None,
        Field(
            max_length=64,
            pattern=r"^[A-Za-z0-9-]+$",
            description="Region of the store. Absent: AWS_REGION of the Secret, else us-east-1.",
        ),
    ] = None
    credentials_secret: Annotated[
        DnsSubdomain,
        Field(
            description="Secret in the training's namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and, if "
            "need be, AWS_ENDPOINT_URL, AWS_REGION, AWS_SESSION_TOKEN and ca.crt (PEM of a private authority).",
            json_schema_extra=FROZEN,
        ),
    ] = "minio-credentials"  # noqa: S105 - a name, not a secret
    dataset: Annotated[
        S3Uri,
        Field(
            description="Folder with the four IDX files (train-images-idx3-ubyte and so on), plain or gzipped.",
            json_schema_extra=fixed(
                "storage.dataset cannot be changed; delete this training and create another, or use a new name"
            ),
        ),
    ] = "s3://datasets/mnist"
    output: Annotated[
        S3Uri,
        Field(
            description="Where results go. Everything of a run is kept under <output>/<namespace>/<name>/<uid>/.",
            json_schema_extra=fixed(
                "storage.output cannot be changed; delete this training and create another, or use a new name"
            ),
        ),
    ] = "s3://models"


class ServiceAccountSpec(ApiModel):
    """Identity of the head and worker pods."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "!has(self.create) || self.create || has(self.name)",
                "name is needed when create is false",
                field=".name",
            ),
        )
    )

    create: Annotated[bool, Field(description="Make ServiceAccounts for head and workers.")] = True
    name: Annotated[
        DnsSubdomain | None, Field(description="With create: false, the ServiceAccount that head and workers use.")
    ] = None
    annotations: Annotated[
        Annotations, Field(description="Annotations of the ServiceAccounts made; they carry workload identity.")
    ] = {}


class RunPolicy(ApiModel):
    """How the run is started, retried, stopped and cleaned up."""

    suspend: Annotated[
        bool,
        Field(description="Stop and free all pods; set to false to go on from the last checkpoint."),
    ] = False
    backoff_limit: Annotated[int, Field(ge=0, le=100, description="Retries after failures that may pass.")] = 3
    active_deadline_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=31_536_000,
            description="Seconds from the start, over all attempts, after which the training fails.",
        ),
    ] = None
    ttl_seconds_after_finished: Annotated[
        int | None,
        Field(ge=0, le=31_536_000, description="Seconds after the end when this object is deleted. The model stays."),
    ] = None
    cluster_cleanup: Annotated[
        ClusterCleanup,
        Field(description="When the cluster made for this training is deleted: `OnFinish`, `OnSuccess` or `Never`."),
    ] = ClusterCleanup.ON_FINISH


class SubmissionSpec(ApiModel):
    """How the job reaches Ray."""

    mode: Annotated[
        SubmissionMode,
        Field(description="`K8sJob` (a submitter pod, whose log is the training's) or `HTTP` (by KubeRay, quicker)."),
    ] = SubmissionMode.K8S_JOB


def _untouched(*fields: str) -> str:
    """Return a CEL rule: fields of `training` are absent or have their defaults, which the API server fills in."""
    rules = []
    for name in fields:
        field = TrainingSpec.model_fields[name]
        path = f"self.training.{field.alias}"
        same = "" if field.default is None else f" || {path} == {json.dumps(field.default)}"
        rules.append(f"(!has({path}){same})")
    return " && ".join(rules)


class MnistTrainingSpec(ApiModel):
    """What to train, on what, and where the result goes."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            unchanged(
                "clusterRef", "clusterRef cannot be changed; delete this training and create another, or use a new name"
            ),
            unchanged("code", "code cannot be changed; delete this training and create another, or use a new name"),
            cel(
                "!has(self.code) || !has(self.code.configMap) || !has(self.clusterRef)",
                "a ConfigMap cannot be mounted into the pods of clusterRef, which run already: use code.archive, or "
                "code that is in their image",
                field=".code.configMap",
            ),
            cel(
                f"!has(self.code) || !has(self.code.module) || {_untouched('model')}",
                "training.model names one of our networks, and code.module another: leave training.model out",
                field=".training.model",
            ),
            cel(
                f"!has(self.code) || !has(self.code.command) || ({_untouched(*TrainingSpec.model_fields)})",
                "spec.training describes our own recipe, which code.command replaces: leave spec.training out, and "
                "give epochs and the like to the command as it takes them",
                field=".training",
            ),
        )
    )

    training: Annotated[TrainingSpec, Field(description="What is trained, and how.")] = Field(
        default_factory=TrainingSpec
    )
    code: Annotated[
        CodeSpec | None, Field(description="A network or a script of your own. Absent: our network, by our recipe.")
    ] = None
    workers: Annotated[WorkersSpec, Field(description="The training workers.")] = Field(default_factory=WorkersSpec)
    head: Annotated[HeadSpec, Field(description="The Ray head.")] = Field(default_factory=HeadSpec)
    ray: Annotated[RaySpec, Field(description="Ray's version and image.")] = Field(default_factory=RaySpec)
    cluster_ref: Annotated[
        ClusterReference | None, Field(description="Use a RayCluster that runs already instead of making one.")
    ] = None
    storage: Annotated[StorageSpec, Field(description="Where the data is and where the model goes.")] = Field(
        default_factory=StorageSpec
    )
    service_account: Annotated[ServiceAccountSpec, Field(description="Identity of the pods.")] = Field(
        default_factory=ServiceAccountSpec
    )
    run_policy: Annotated[RunPolicy, Field(description="Suspension, retries, deadlines and cleaning up.")] = Field(
        default_factory=RunPolicy
    )
    submission: Annotated[SubmissionSpec, Field(description="How the job reaches Ray.")] = Field(
        default_factory=SubmissionSpec
    )


def default_ray_version() -> str:
    """Return the version of Ray in this version's trainer image."""
    return str(RaySpec.model_fields["version"].default)


def unwritten_defaults(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults that apply to a stored spec and are not in it, by their path (`runPolicy.backoffLimit`).

    Those that say "nothing" (an empty list, an empty map) are left out.
    """

    def missing(given: dict[str, Any], every: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for name, value in every.items():
            if isinstance(value, dict) and value:
                there = given.get(name)
                yield from missing(there if isinstance(there, dict) else {}, value, f"{above}{name}.")
            elif name not in given and value not in ([], {}):
                yield f"{above}{name}", value

    every = MnistTrainingSpec().model_dump(mode="json", by_alias=True, exclude_none=True)
    return dict(missing(spec, every, ""))


def parse_spec(spec: dict[str, Any]) -> MnistTrainingSpec:
    """Read a spec as the API returns it.

    Raises:
        pydantic.ValidationError: when an object was stored that this version's models do not allow.
    """
    return MnistTrainingSpec.model_validate(spec)
