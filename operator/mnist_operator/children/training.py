"""A training as its children know it: its identity, and the names, labels, owner and hash that they get from it.

Everything that the operator makes for a training is found by one label, goes with it by an owner reference, and carries
a hash of what it was made from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from mnist_kube import objects
from mnist_operator.api.names import API_VERSION, GROUP, KIND
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.api.workers import ResourceRequirements, WorkerGroup, WorkersSpec

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Installation:
    """Choices of the installation, the same for every training."""

    trainer_image: str = "mnist-training/trainer:0.1.0"
    trainer_ray_version: str = "2.60.0"
    """Version of Ray inside `trainer_image`; another `spec.ray.version` needs its own image."""
    node_address: str = "<node>"
    """Address of a node that people reach, for dashboards on node ports."""


@dataclass(frozen=True)
class Training:
    """Identity and spec of one training; its status is the lifecycle's business."""

    name: str
    namespace: str
    uid: str
    spec: MnistTrainingSpec
    generation: int = 1
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def image(self) -> str | None:
        """The image that the user chose, if any."""
        return self.spec.ray.image

    @property
    def run_prefix(self) -> str:
        """Address below which everything of this training is kept."""
        return f"{self.spec.storage.output.rstrip('/')}/{self.namespace}/{self.name}/{self.uid}"

    @property
    def has_templates(self) -> bool:
        """Whether the user laid pod templates over ours."""
        workers = self.spec.workers
        laid = (self.spec.head.template, workers.template, *(group.template for group in workers.additional_groups))
        return any(laid)

    def ray_version(self, installation: Installation) -> str:
        """Version of Ray that its pods have: of the image that it names, else that of the installation's own."""
        ray = self.spec.ray
        is_given = ray.image is not None or "version" in ray.model_fields_set
        return ray.version if is_given else installation.trainer_ray_version


FIRST_GROUP = "workers"
MANAGED_BY = "mnist-operator"
LABEL_TRAINING = f"{GROUP}/training"
LABEL_ATTEMPT = f"{GROUP}/attempt"
ANNOTATION_HASH = f"{GROUP}/spec-hash"
ANNOTATION_WORKERS = f"{GROUP}/workers"
ANNOTATION_CREDENTIALS = f"{GROUP}/credentials-version"
LABEL_COMPONENT = "app.kubernetes.io/component"
OWNED_SELECTOR = {"app.kubernetes.io/managed-by": MANAGED_BY}
# The letters of Kubernetes' own generated names: no vowels, so no words.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_KUEUE_PREFIX = "kueue.x-k8s.io/"
LABEL_QUEUE = f"{_KUEUE_PREFIX}queue-name"


@dataclass(frozen=True)
class Group:
    """One group of workers; `path` is where the user asked for it."""

    name: str
    path: str
    replicas: int
    min_replicas: int
    max_replicas: int
    resources: ResourceRequirements | None
    template: dict[str, Any] | None

    @property
    def moves(self) -> bool:
        """Whether the number of its workers may move on its own."""
        return self.max_replicas > self.min_replicas


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


def _group(name: str, path: str, asked: WorkersSpec | WorkerGroup, first: WorkersSpec) -> Group:
    # Without maxReplicas nothing moves; minReplicas is then only the trainer's own tolerance.
    max_replicas = asked.replicas if asked.max_replicas is None else asked.max_replicas
    min_replicas = asked.replicas if asked.max_replicas is None or asked.min_replicas is None else asked.min_replicas
    return Group(
        name=name,
        path=path,
        replicas=asked.replicas,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        resources=asked.resources or first.resources,
        template=asked.template if asked.template is not None else first.template,
    )


def storage_secret_name(training: Training) -> str:
    """Secret with the normalised storage credentials."""
    return f"{training.name}-storage"


def service_account_name(training: Training, role: str) -> str:
    """ServiceAccount of the `head` or of the `worker` pods."""
    account = training.spec.service_account
    if not account.create and account.name:
        return account.name
    return f"{training.name}-{role}"


def role_name(training: Training) -> str:
    """Role and RoleBinding of the trainer.

    Never the RayCluster's name: with autoscaling KubeRay makes a Role and a RoleBinding of that name itself.
    """
    return f"{training.name}-trainer"


def job_name(training_name: str, attempt: int) -> str:
    """RayJob of an attempt."""
    return f"{training_name}-{attempt}"


def cluster_name(training: Training, attempt: int) -> str:
    """RayCluster made for an attempt: a name that no other cluster ever had.

    KubeRay finds pods and its token Secret by name, not by owner, so it would take what is left of a former cluster of
    the same name for the new one's.
    """
    digest = hashlib.sha256(f"{training.uid}/{attempt}".encode()).digest()
    suffix = "".join(_SUFFIX_LETTERS[byte % len(_SUFFIX_LETTERS)] for byte in digest[:5])
    return f"{training.name}-{suffix}"


def labels(training: Training, component: str = "") -> dict[str, str]:
    """Labels of a child, and of the pods in it: who made it, whose it is, and what it is, if that is not plain.

    No more of the recommended ones: each stands in every child and twice in a RayCluster's pod templates. KubeRay gives
    Ray's pods many labels of its own, `app.kubernetes.io/name` and `ray.io/node-type` among them.
    """
    return {**({LABEL_COMPONENT: component} if component else {}), **OWNED_SELECTOR, LABEL_TRAINING: training.name}


def queue_labels(training: Training) -> dict[str, str]:
    """Kueue's labels on the training; they go on the RayCluster, which is what takes up quota."""
    return {key: value for key, value in training.labels.items() if key.startswith(_KUEUE_PREFIX)}


def owner_reference(training: Training) -> Manifest:
    """Controller reference to the training, so that its children go with it."""
    metadata = {"name": training.name, "uid": training.uid}
    return objects.owner_reference({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata})


def child(training: Training, *, api_version: str, kind: str, name: str, component: str, **content: object) -> Manifest:
    """Return a child manifest: content with name, labels and owner; `sealed` adds the hash of its content."""
    manifest: Manifest = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": training.namespace,
            "labels": {"app.kubernetes.io/name": "mnist-training", **labels(training, component)},
            "annotations": {},
            "ownerReferences": [owner_reference(training)],
        },
        **content,
    }
    return manifest


def sealed(manifest: Manifest) -> Manifest:
    """Return the manifest with the hash of its content, as an annotation."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), ANNOTATION_HASH: content_hash(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def content_hash(manifest: Manifest) -> str:
    """Hash of a desired object; equal ones have equal hashes. Secrets' values are only ever hashed whole."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def training_of(obj: Manifest) -> Training:
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
