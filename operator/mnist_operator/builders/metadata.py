"""Names, labels, owner references and content hashes of children."""

from __future__ import annotations

import hashlib
import json

from mnist_kube import objects
from mnist_operator.api.names import API_VERSION, GROUP, KIND
from mnist_operator.builders.context import Manifest, Training

MANAGED_BY = "mnist-operator"
LABEL_TRAINING = f"{GROUP}/training"
LABEL_ATTEMPT = f"{GROUP}/attempt"
ANNOTATION_HASH = f"{GROUP}/spec-hash"
ANNOTATION_WORKERS = f"{GROUP}/workers"
ANNOTATION_CREDENTIALS = f"{GROUP}/credentials-version"
OWNED_SELECTOR = {"app.kubernetes.io/managed-by": MANAGED_BY}
# The letters of Kubernetes' own generated names: no vowels, so no words.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_KUEUE_PREFIX = "kueue.x-k8s.io/"
LABEL_QUEUE = f"{_KUEUE_PREFIX}queue-name"


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


def labels(training: Training, component: str) -> dict[str, str]:
    """Recommended labels (app.kubernetes.io/*) and the one that finds a training's children."""
    return {
        "app.kubernetes.io/name": "mnist-training",
        "app.kubernetes.io/instance": training.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "mnist-training",
        **OWNED_SELECTOR,
        LABEL_TRAINING: training.name,
    }


def queue_labels(training: Training) -> dict[str, str]:
    """Kueue's labels on the training; they go on the RayCluster, which is what takes up quota."""
    return {key: value for key, value in training.labels.items() if key.startswith(_KUEUE_PREFIX)}


def owner_reference(training: Training) -> Manifest:
    """Controller reference to the training, so that its children go with it."""
    metadata = {"name": training.name, "uid": training.uid}
    return objects.owner_reference({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata})


def child(training: Training, *, api_version: str, kind: str, name: str, component: str, **content: object) -> Manifest:
    """Return a child manifest with its metadata and the hash of its content."""
    manifest: Manifest = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": training.namespace,
            "labels": labels(training, component),
            "annotations": {},
            "ownerReferences": [owner_reference(training)],
        },
        **content,
    }
    return manifest


def sealed(manifest: Manifest) -> Manifest:
    """Return the manifest with the hash of what it wishes for, as an annotation."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), ANNOTATION_HASH: content_hash(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def content_hash(manifest: Manifest) -> str:
    """Hash of a wished-for object; two equal wishes have equal hashes. Secrets' values are only ever hashed whole."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
