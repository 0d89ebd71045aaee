"""The head and the groups of workers: how many pods, of what size, and what is laid over them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from mnist_operator.api.fields import FROZEN, ApiModel, FreeForm, ResourceList, cel, fixed, validations


class ServiceType(StrEnum):
    """Type of the head's Service."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class ResourceRequirements(ApiModel):
    """Compute resources of one container, as Kubernetes has them."""

    requests: Annotated[ResourceList | None, Field(description="What is reserved for the container.")] = None
    limits: Annotated[
        ResourceList | None,
        Field(description="What the container may use at most. Ray takes its CPU and memory figures from here."),
    ] = None


class WorkerResources(ResourceRequirements):
    """Compute resources of each worker's Ray container, as Kubernetes has them."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "!has(self.limits) || !('nvidia.com/gpu' in self.limits)",
                "GPUs are asked for by gpusPerWorker, for all groups alike: the trainer gives every worker the same "
                "resources",
            )
        )
    )


_TEMPLATE = (
    "A partial pod template (metadata and spec as in a Pod) laid over what the operator makes, merged as Kubernetes "
    "merges: containers by name, volumes by name, variables by name. The Ray container's name is `{container}`. "
    "Takes effect at the next attempt."
)
_BOUNDS = (
    cel(
        "!has(self.minReplicas) || self.minReplicas <= self.replicas",
        "minReplicas must not be greater than replicas",
        field=".minReplicas",
    ),
    cel(
        "!has(self.maxReplicas) || self.maxReplicas >= self.replicas",
        "maxReplicas must not be less than replicas",
        field=".maxReplicas",
    ),
)


class WorkerGroup(ApiModel):
    """Workers on other machines than the first group's: other nodes, other CPU and memory, the same GPUs."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            *_BOUNDS,
            cel(
                "!(self.name in ['workers', 'head', 'headgroup'])",
                "the names workers, head and headgroup are taken by the first group and by the head",
                field=".name",
            ),
        )
    )

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=30,
            pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
            description="Name of the group; no two are the same.",
        ),
    ]
    replicas: Annotated[
        int, Field(ge=0, le=256, description="Number of workers in this group.", json_schema_extra=FROZEN)
    ] = 1
    min_replicas: Annotated[
        int | None, Field(ge=0, le=256, description="Train on with as few workers of this group as this.")
    ] = None
    max_replicas: Annotated[
        int | None,
        Field(ge=1, le=256, description="Take as many workers of this group as this. Turns on autoscaling."),
    ] = None
    resources: Annotated[
        WorkerResources | None,
        Field(description="Resources of each worker's Ray container. Absent: as in the first group."),
    ] = None
    template: Annotated[
        FreeForm | None,
        Field(description=_TEMPLATE.format(container="ray-worker") + " Absent: as in the first group."),
    ] = None


class WorkersSpec(ApiModel):
    """The training workers: one pod and one worker of the trainer each."""

    model_config = ConfigDict(json_schema_extra=validations(*_BOUNDS))

    replicas: Annotated[
        int,
        Field(
            ge=1,
            le=256,
            description="Number of workers to train with. May be changed while the training runs: within minReplicas "
            "and maxReplicas the job goes on with more or fewer; beyond them it goes on from its last checkpoint in a "
            "new attempt, which does not count against backoffLimit.",
            json_schema_extra=FROZEN,
        ),
    ] = 2
    min_replicas: Annotated[
        int | None, Field(ge=1, le=256, description="Train on with as few workers as this when some are lost.")
    ] = None
    max_replicas: Annotated[
        int | None,
        Field(ge=1, le=256, description="Take as many workers as this when there is room. Turns on autoscaling."),
    ] = None
    gpus_per_worker: Annotated[
        int,
        Field(
            ge=0,
            le=16,
            description="GPUs (nvidia.com/gpu) of each worker. 0 trains on the CPU.",
            json_schema_extra=fixed(
                "gpusPerWorker cannot be changed; delete this training and create another, or use a new name"
            ),
        ),
    ] = 0
    resources: Annotated[
        WorkerResources | None,
        Field(description="Resources of each worker's Ray container. Absent: 1 CPU and 3Gi (250m, 1Gi requested)."),
    ] = None
    template: Annotated[FreeForm | None, Field(description=_TEMPLATE.format(container="ray-worker"))] = None
    additional_groups: Annotated[
        list[WorkerGroup],
        Field(
            max_length=15,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            description="More workers of the same training on other machines, such as spot nodes. Each has as many "
            "GPUs as gpusPerWorker says; what differs is taken at the next attempt.",
        ),
    ] = []

    @property
    def total_replicas(self) -> int:
        """Number of workers over all groups."""
        return self.replicas + sum(group.replicas for group in self.additional_groups)

    @property
    def total_min_replicas(self) -> int:
        """Fewest workers, over all groups, to train on with."""
        groups: tuple[WorkersSpec | WorkerGroup, ...] = (self, *self.additional_groups)
        return sum(group.replicas if group.min_replicas is None else group.min_replicas for group in groups)

    @property
    def total_max_replicas(self) -> int:
        """Most workers, over all groups, to make use of."""
        groups: tuple[WorkersSpec | WorkerGroup, ...] = (self, *self.additional_groups)
        return sum(group.replicas if group.max_replicas is None else group.max_replicas for group in groups)


class HeadSpec(ApiModel):
    """The Ray head: it coordinates, serves the dashboard and runs the driver. It trains nothing itself."""

    resources: Annotated[
        ResourceRequirements | None,
        Field(
            description="Resources of the head's Ray container. Absent: up to 1 CPU and 3Gi (100m and 1Gi requested)."
        ),
    ] = None
    service_type: Annotated[ServiceType, Field(description="Type of the head's Service.")] = ServiceType.CLUSTER_IP
    template: Annotated[FreeForm | None, Field(description=_TEMPLATE.format(container="ray-head"))] = None
