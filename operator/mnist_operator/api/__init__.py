"""The API `mnist.training/v1alpha1 MnistTraining`: pydantic models, and the CRD generated from them."""

from mnist_operator.api.names import GROUP, KIND, PLURAL, VERSION
from mnist_operator.api.resource import MnistTraining
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.api.status import Condition, MnistTrainingStatus, Phase

__all__ = [
    "GROUP",
    "KIND",
    "PLURAL",
    "VERSION",
    "Condition",
    "MnistTraining",
    "MnistTrainingSpec",
    "MnistTrainingStatus",
    "Phase",
]
