"""What the operator and the trainer say: the status of a MnistTraining."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from mnist_operator.api.fields import ATOMIC, ApiModel, Timestamp

ShortText = Annotated[str, Field(max_length=256)]
Message = Annotated[str, Field(max_length=4096)]
MAX_METRICS = 32


class Phase(StrEnum):
    """Where a training stands, in one word."""

    PENDING = "Pending"
    PROVISIONING = "Provisioning"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class ConditionType(StrEnum):
    """Conditions of a training, in the order in which they are listed."""

    ACCEPTED = "Accepted"
    CLUSTER_READY = "ClusterReady"
    JOB_RUNNING = "JobRunning"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


class Condition(ApiModel):
    """A metav1.Condition."""

    type: Annotated[str, Field(max_length=316, description="Name of the condition.")]
    status: Annotated[
        str,
        Field(
            max_length=16,
            json_schema_extra={"enum": ["True", "False", "Unknown"]},
            description="True, False or Unknown.",
        ),
    ]
    observed_generation: Annotated[int, Field(ge=0, description="Generation of the spec that this was decided on.")] = 0
    last_transition_time: Annotated[Timestamp, Field(description="When the status last changed.")]
    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1024,
            pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            description="Why, in one CamelCase word.",
        ),
    ]
    message: Annotated[str, Field(max_length=32_768, description="Why, in a sentence.")] = ""


class WorkerRestarts(ApiModel):
    """Worker pods that came and went before the trainer had finished one more epoch."""

    pods: Annotated[int, Field(ge=0, description="Pods that were ready and are gone.")]
    epoch: Annotated[int, Field(ge=0, description="Epochs that were finished when the first of them went.")] = 0


class RayClusterStatus(ApiModel):
    """The RayCluster that the current attempt runs on."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: Annotated[ShortText | None, Field(description="Name of the RayCluster.")] = None
    state: Annotated[ShortText | None, Field(description="Its state as KubeRay reports it.")] = None
    workers: Annotated[ShortText | None, Field(description="Ready and wanted workers, such as 2/2.")] = None
    worker_restarts: Annotated[
        WorkerRestarts | None, Field(description="Worker pods lost since an epoch was last finished.")
    ] = None
    head_pod: Annotated[
        ShortText | None, Field(description="Name of the head's pod. Another name means that a head was lost.")
    ] = None
    dashboard: Annotated[ShortText | None, Field(description="Address of Ray's dashboard.")] = None


class RayJobStatus(ApiModel):
    """The RayJob of the current attempt."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: Annotated[ShortText | None, Field(description="Name of the RayJob.")] = None
    job_id: Annotated[ShortText | None, Field(description="Ray's submission id.")] = None
    status: Annotated[ShortText | None, Field(description="The Ray job's status as KubeRay reports it.")] = None
    start_time: Annotated[
        Timestamp | None,
        Field(description="When Ray started the job. Another time means that KubeRay started it over."),
    ] = None


class TrainingResult(ApiModel):
    """What a finished training left in the store."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    model: Annotated[str | None, Field(max_length=2048, description="Address of the weights (safetensors).")] = None
    sha256: Annotated[
        str | None, Field(max_length=64, pattern="^[0-9a-f]{64}$", description="Digest of the weights.")
    ] = None
    accuracy: Annotated[float | None, Field(ge=0, le=1, description="Share of test images recognised.")] = None
    report: Annotated[str | None, Field(max_length=2048, description="Address of the report (HTML).")] = None
    metrics: Annotated[str | None, Field(max_length=2048, description="Address of the figures (JSON).")] = None
    manifest: Annotated[
        str | None, Field(max_length=2048, description="Address of the manifest that seals the result.")
    ] = None
    train_seconds: Annotated[float | None, Field(ge=0, description="Seconds spent training.")] = None


class TrainingFailure(ApiModel):
    """Why a trainer gave up, in its own words."""

    reason: Annotated[ShortText, Field(description="One CamelCase word.")]
    message: Annotated[str, Field(max_length=1024, description="What is wrong, where, and what to do.")] = ""
    retryable: Annotated[bool, Field(description="Whether another attempt may succeed.")] = False


class LostWorker(ApiModel):
    """A worker that was lost in mid-training, and what is done about it."""

    name: Annotated[ShortText, Field(description="Name of its pod.")]
    epoch: Annotated[int | None, Field(ge=0, description="Epoch that was running, from 1.")] = None
    time: Annotated[Timestamp, Field(description="When the loss was noticed.")]
    message: Annotated[str, Field(max_length=1024, description="What is done about it.")] = ""


class TrainerReport(ApiModel):
    """Live progress. Written by the trainer alone; the operator never writes it."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    attempt: Annotated[int, Field(ge=1, description="Attempt that this report belongs to.")]
    run_id: Annotated[str, Field(min_length=1, max_length=64, description="Process that reports.")]
    state: Annotated[ShortText, Field(description="What the trainer is doing.")]
    epoch: Annotated[int | None, Field(ge=0, description="Epochs finished.")] = None
    epochs: Annotated[int | None, Field(ge=1, description="Epochs in all.")] = None
    progress_percent: Annotated[int | None, Field(ge=0, le=100, description="Share done, in percent.")] = None
    loss: Annotated[float | None, Field(description="Mean training loss of the last epoch.")] = None
    accuracy: Annotated[
        float | None, Field(ge=0, le=1, description="Share of test images recognised after the last epoch.")
    ] = None
    images_per_second: Annotated[float | None, Field(ge=0, description="Training throughput over all workers.")] = None
    eta_seconds: Annotated[int | None, Field(ge=0, description="Seconds to the end, estimated.")] = None
    workers: Annotated[int | None, Field(ge=0, description="Workers training now.")] = None
    lost_workers: Annotated[int | None, Field(ge=0, description="Workers that this process has lost so far.")] = None
    last_lost_worker: Annotated[LostWorker | None, Field(description="The last of them.")] = None
    metrics: Annotated[
        dict[Annotated[str, Field(max_length=63)], float] | None,
        Field(
            max_length=MAX_METRICS,
            description="Figures of the user's own code, by name: the last ones that it reported.",
        ),
    ] = None
    updated_at: Annotated[Timestamp, Field(description="When this was written.")]
    result: Annotated[TrainingResult | None, Field(description="What was left in the store.")] = None
    failure: Annotated[TrainingFailure | None, Field(description="Why the trainer gave up.")] = None


class LastFailure(ApiModel):
    """The last failed attempt."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    attempt: Annotated[int, Field(ge=1, description="The attempt that failed.")]
    reason: Annotated[ShortText, Field(description="One CamelCase word.")]
    message: Annotated[str, Field(max_length=1024, description="What happened.")] = ""
    time: Annotated[Timestamp, Field(description="When it was noticed.")]
    log_tail: Annotated[
        str | None, Field(max_length=2048, description="The last lines of the job's log, redacted.")
    ] = None


class CountedRun(ApiModel):
    """What of the trainer's report is in the totals already."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    run_id: Annotated[str, Field(min_length=1, max_length=64, description="Process that reported.")]
    lost_workers: Annotated[int, Field(ge=0, description="Its lost workers that are counted in status.lostWorkers.")]


class MnistTrainingStatus(ApiModel):
    """What is known about a training."""

    observed_generation: Annotated[
        int | None, Field(ge=0, description="Generation of the spec that this status is about.")
    ] = None
    phase: Annotated[Phase | None, Field(description="Where the training stands.")] = None
    reason: Annotated[ShortText | None, Field(description="Why, in one CamelCase word.")] = None
    message: Annotated[Message | None, Field(description="One sentence that a user can act on.")] = None
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=16,
            # Not a list of type `map`, as conditions mostly are: one writer writes all of them, and the owners of each
            # condition's fields would be most of what the API server keeps with a status.
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
            description="Accepted, ClusterReady, JobRunning, Suspended, Complete and Failed, each with its history.",
        ),
    ] = []
    attempt: Annotated[int | None, Field(ge=0, description="Number of the current attempt, from 1.")] = None
    failures: Annotated[int | None, Field(ge=0, description="Failed attempts, counted against backoffLimit.")] = None
    restarts: Annotated[
        int | None, Field(ge=0, description="Times that KubeRay started the job over within an attempt.")
    ] = None
    lost_workers: Annotated[
        int | None, Field(ge=0, description="Workers lost in mid-training, in all attempts together.")
    ] = None
    counted_run: Annotated[
        CountedRun | None, Field(description="What of the trainer's report is counted in lostWorkers.")
    ] = None
    next_attempt_time: Annotated[
        Timestamp | None, Field(description="When the next attempt may start, after a failure.")
    ] = None
    ray_cluster: Annotated[RayClusterStatus | None, Field(description="The cluster of the current attempt.")] = None
    ray_job: Annotated[RayJobStatus | None, Field(description="The job of the current attempt.")] = None
    last_failure: Annotated[LastFailure | None, Field(description="The last failed attempt.")] = None
    training: Annotated[TrainerReport | None, Field(description="Live progress, written by the trainer.")] = None
    result: Annotated[TrainingResult | None, Field(description="What the training left in the store.")] = None
    start_time: Annotated[Timestamp | None, Field(description="When the first attempt began.")] = None
    completion_time: Annotated[Timestamp | None, Field(description="When the training ended.")] = None

    model_config = ConfigDict(json_schema_extra={"description": "What is known about the training."})
