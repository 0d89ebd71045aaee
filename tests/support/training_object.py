"""A MnistTraining at an API server, as its trainer sees it."""

from __future__ import annotations

from typing import Any

from tests.support.kube import Kube

from mnist_kube.resources import TRAININGS
from mnist_trainer.config import TrainingIdentity

SPEC = {"storage": {"credentialsSecret": "s", "dataset": "s3://datasets/mnist", "output": "s3://models"}}


def create(kube: Kube, name: str) -> TrainingIdentity:
    """Make one, at attempt 1."""
    body = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "metadata": {"name": name}, "spec": SPEC}
    created = kube.create(TRAININGS.path("default"), body)
    set_attempt(kube, name, 1)
    return TrainingIdentity(namespace="default", name=name, uid=created["metadata"]["uid"], storage_secret=name)


def set_attempt(kube: Kube, name: str, attempt: int) -> None:
    """What the operator writes."""
    path = f"{TRAININGS.path('default')}/{name}/status"
    kube.request("PATCH", path, {"status": {"attempt": attempt}}, content_type="application/merge-patch+json")


def reported(kube: Kube, name: str) -> dict[str, Any]:
    """What the trainer has written."""
    return kube.request("GET", f"{TRAININGS.path('default')}/{name}")["status"]["training"]
