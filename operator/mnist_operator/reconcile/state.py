"""Everything the operator remembers about the cluster, and how one training is seen in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.api.status import MnistTrainingStatus
from mnist_operator.builders.checks import spec_problems
from mnist_operator.builders.context import Installation, Training
from mnist_operator.builders.metadata import ANNOTATION_HASH, LABEL_TRAINING
from mnist_operator.builders.raycluster import ray_cluster
from mnist_operator.lifecycle.children import ClusterView, JobView
from mnist_operator.lifecycle.decision import DEFAULT_POLICY, Policy
from mnist_operator.lifecycle.facts import Observed, Obstacle
from mnist_operator.reconcile.cache import ObjectCache
from mnist_operator.reconcile.drift import spec_digest
from mnist_operator.reconcile.requested import REQUESTED, requested

Object = dict[str, Any]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


HEAD_ACCOUNT = "headServiceAccount"
"""In a cached RayCluster's spec: the ServiceAccount of its head."""
DIGEST = "digest"
"""In a cached RayCluster's or RayJob's spec: what shows that somebody changed it."""


def _without_templates(spec: Object) -> Object:
    """Of a RayCluster's spec only what is asked for later is kept; pod templates are large."""
    groups = [
        {key: group[key] for key in ("groupName", "replicas", "minReplicas", "maxReplicas") if key in group}
        for group in spec.get("workerGroupSpecs") or []
    ]
    head = ((spec.get("headGroupSpec") or {}).get("template") or {}).get("spec") or {}
    return {
        "suspend": spec.get("suspend", False),
        "rayVersion": spec.get("rayVersion"),
        "enableInTreeAutoscaling": spec.get("enableInTreeAutoscaling", False),
        HEAD_ACCOUNT: head.get("serviceAccountName") or "default",
        DIGEST: spec_digest(spec),
        REQUESTED: requested(spec),
        "workerGroupSpecs": groups,
    }


def _digest_alone(spec: Object) -> Object:
    return {DIGEST: spec_digest(spec)}


@dataclass
class ClusterState:
    """Caches of the three kinds that are watched."""

    trainings: ObjectCache = field(default_factory=ObjectCache)
    clusters: ObjectCache = field(default_factory=lambda: ObjectCache(_without_templates, LABEL_TRAINING))
    jobs: ObjectCache = field(default_factory=lambda: ObjectCache(_digest_alone, LABEL_TRAINING))

    def cache(self, kind: str) -> ObjectCache:
        """Return the cache of a kind."""
        return {"MnistTraining": self.trainings, "RayCluster": self.clusters, "RayJob": self.jobs}[kind]


def training_of(obj: Object) -> Training:
    """Read a training as the API returns it.

    Raises:
        pydantic.ValidationError: when its spec does not fit this version's models.
    """
    metadata = obj["metadata"]
    return Training(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        spec=MnistTrainingSpec.model_validate(obj.get("spec") or {}),
        generation=int(metadata.get("generation") or 1),
        labels=dict(metadata.get("labels") or {}),
    )


def observe(
    training: Training,
    obj: Object,
    state: ClusterState,
    installation: Installation,
    now: datetime,
    *,
    credentials: Obstacle | None = None,
    obstacle: Obstacle | None = None,
    explanation: str | None = None,
    credentials_version: str = "",
    balancer: str | None = None,
    policy: Policy = DEFAULT_POLICY,
) -> Observed:
    """Put together one look at a training."""
    clusters = state.clusters.labelled(training.namespace, training.name)
    if training.spec.cluster_ref is not None:
        shared = state.clusters.get(training.namespace, training.spec.cluster_ref.name)
        clusters = [*clusters, *([shared] if shared is not None else [])]
    return Observed(
        training=training,
        status=MnistTrainingStatus.model_validate(obj.get("status") or {}),
        now=now,
        deleting=bool(obj["metadata"].get("deletionTimestamp")),
        credentials=credentials,
        spec_problems=tuple(spec_problems(training, installation)),
        clusters=tuple(ClusterView.of(item) for item in clusters),
        jobs=tuple(JobView.of(item) for item in state.jobs.labelled(training.namespace, training.name)),
        obstacle=obstacle,
        explanation=explanation,
        credentials_version=credentials_version,
        wished_cluster=lambda: ray_cluster(training, "", installation)["metadata"]["annotations"][ANNOTATION_HASH],
        balancer=balancer,
        node_address=installation.node_address,
        policy=policy,
    )
