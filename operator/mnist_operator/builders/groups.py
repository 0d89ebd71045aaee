"""The groups of workers that a training asks for, each with what it takes from the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mnist_operator.api.groups import ResourceRequirements, WorkerGroup, WorkersSpec
from mnist_operator.builders.context import Training

FIRST_GROUP = "workers"


@dataclass(frozen=True)
class Group:
    """One group of workers; `path` is where the user asked for it."""

    name: str
    path: str
    replicas: int
    least: int
    most: int
    resources: ResourceRequirements | None
    template: dict[str, Any] | None

    @property
    def moves(self) -> bool:
        """Whether the number of its workers may move on its own."""
        return self.most > self.least


def worker_groups(training: Training) -> list[Group]:
    """Return the first group and the additional ones, in the order of the spec."""
    workers = training.spec.workers
    others = [
        _group(group.name, f"spec.workers.additionalGroups[{group.name}]", group, workers)
        for group in workers.additional_groups
    ]
    return [_group(FIRST_GROUP, "spec.workers", workers, workers), *others]


def autoscaling(training: Training) -> bool:
    """Whether KubeRay's autoscaler runs in the cluster."""
    return any(group.moves for group in worker_groups(training))


def _group(name: str, path: str, wish: WorkersSpec | WorkerGroup, first: WorkersSpec) -> Group:
    # Without maxReplicas nothing moves; minReplicas is then only the trainer's own tolerance.
    most = wish.replicas if wish.max_replicas is None else wish.max_replicas
    least = wish.replicas if wish.max_replicas is None or wish.min_replicas is None else wish.min_replicas
    return Group(
        name=name,
        path=path,
        replicas=wish.replicas,
        least=least,
        most=most,
        resources=wish.resources or first.resources,
        template=wish.template if wish.template is not None else first.template,
    )
