"""From the plan of a run to a job on this worker's device."""

from __future__ import annotations

import torch

from mnist_trainer.data import Dataset
from mnist_trainer.loop.job import ImageSet, TrainingJob
from mnist_trainer.plan import TrainingPlan


def assemble_job(plan: TrainingPlan, dataset: Dataset) -> TrainingJob:
    """Put the data where this worker computes: shared memory as it is on a CPU, a copy on a GPU.

    Images in files stay there, also for a GPU: they go to it batch by batch.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    in_file = dataset.source is not None
    return TrainingJob(
        plan=plan,
        train=ImageSet.from_arrays(dataset.train_images, dataset.train_labels, device, in_file),
        test=ImageSet.from_arrays(dataset.test_images, dataset.test_labels, device, in_file),
        device=device,
    )
