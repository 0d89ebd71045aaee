"""The whole object, with what only the whole can say: its name's rule and the columns of `kubectl get`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from mnist_operator.api.fields import ApiModel, cel, validations
from mnist_operator.api.names import API_VERSION, DNS_1035_LABEL, KIND, MAX_NAME_LENGTH
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.api.status import MnistTrainingStatus

PRINTER_COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "Where the training stands."},
    {
        "name": "Progress",
        "type": "integer",
        "jsonPath": ".status.training.progressPercent",
        "description": "Share of the training done, in percent.",
    },
    {
        "name": "Accuracy",
        "type": "number",
        "jsonPath": ".status.training.accuracy",
        "description": "Share of test images recognised after the last epoch.",
    },
    {
        "name": "Workers",
        "type": "string",
        "jsonPath": ".status.rayCluster.workers",
        "description": "Ready and wanted workers.",
    },
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {
        "name": "Cluster",
        "type": "string",
        "jsonPath": ".status.rayCluster.name",
        "priority": 1,
        "description": "The RayCluster of the current attempt.",
    },
    {
        "name": "Model",
        "type": "string",
        "jsonPath": ".status.result.model",
        "priority": 1,
        "description": "Where the trained model is.",
    },
    {
        "name": "Message",
        "type": "string",
        "jsonPath": ".status.message",
        "priority": 1,
        "description": "What a user should know.",
    },
)


class MnistTraining(ApiModel):
    """MnistTraining trains a digit classifier on Ray and leaves the evaluated, sealed model in an S3 bucket."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
                f"the name must have at most {MAX_NAME_LENGTH} characters, for its RayCluster and RayJob",
            ),
            cel(
                f"self.metadata.name.matches('^{DNS_1035_LABEL}$')",
                "the name must be a DNS-1035 label: lower-case letters, digits and '-', beginning with a letter",
            ),
        )
    )

    api_version: Annotated[str, Field(max_length=64)] = API_VERSION
    kind: Annotated[str, Field(max_length=64)] = KIND
    metadata: dict[str, Any] = Field(default_factory=dict)
    spec: Annotated[MnistTrainingSpec, Field(description="What to train, on what, and where the result goes.")] = Field(
        default_factory=MnistTrainingSpec
    )
    status: Annotated[
        MnistTrainingStatus | None,
        Field(description="What is known about the training. Written by the operator and the trainer."),
    ] = None
