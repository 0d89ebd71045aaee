"""Evaluate a model on a dataset."""

from __future__ import annotations

from mnist_trainer.batches import ImageSet
from mnist_trainer.collective import Alone
from mnist_trainer.data import Dataset
from mnist_trainer.errors import DatasetInvalidError
from mnist_trainer.evaluate import evaluate
from mnist_trainer.inference.model_file import LoadedModel
from mnist_trainer.release.files import Predictions


def evaluate_model(model: LoadedModel, dataset: Dataset) -> tuple[float, float, Predictions]:
    """Accuracy, loss and predictions on the test images. Raises DatasetInvalidError if the images do not fit."""
    import torch

    shape = (*dataset.test_images.shape[1:3], dataset.test_images.shape[3] if dataset.test_images.ndim == 4 else 1)
    wanted = (model.spec.height, model.spec.width, model.spec.channels)
    if shape != wanted:
        raise DatasetInvalidError(f"the model takes images of {wanted} (height, width, channels); these are {shape}")
    if int(dataset.test_labels.max(initial=0)) >= model.spec.classes:
        raise DatasetInvalidError(
            f"the model knows {model.spec.classes} classes; the test labels go up to {int(dataset.test_labels.max())}"
        )
    test = ImageSet.from_arrays(dataset.test_images.copy(), dataset.test_labels.copy(), torch.device("cpu"))
    result = evaluate(model.network, test, model.normalisation, Alone())
    predictions = Predictions(
        dataset.test_labels, result.predictions.numpy(), result.confidences.numpy(), result.true_confidences.numpy()
    )
    return result.accuracy, result.loss, predictions
