"""What every builder needs: the training, and what the operator's installation decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mnist_operator.api.spec import MnistTrainingSpec

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
    """Identity and wishes of one training; its status is the lifecycle's business."""

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
