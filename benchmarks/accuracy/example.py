"""The popular example recipe, to compare with.

Written afresh from the published hyper-parameters of PyTorch's "Basic MNIST example": two 3x3 convolutions, Adadelta
with rate 1.0, a factor of 0.7 after each epoch, batches of 64, 14 epochs, test batches of 1,000. It gets what a fair
comparison can give it: the data lies in memory, decoded and normalised before the clock starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.accuracy.results import Epoch
from mnist_trainer.data import Dataset

EPOCHS = 14
_BATCH, _TEST_BATCH = 64, 1000
_RATE, _DECAY = 1.0, 0.7
_MEAN, _STD = 0.1307, 0.3081


def example_network() -> nn.Module:
    """Logarithms of probabilities ``[N, 10]`` of normalised images ``[N, 1, 28, 28]``; 1.2 million parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
        nn.LogSoftmax(1),
    )


def train_example(dataset: Dataset, seed: int, epochs: int = EPOCHS) -> Iterator[Epoch]:
    """Train on this process's threads, yielding each epoch."""
    torch.manual_seed(seed)
    train, test = _normalised(dataset.train_images), _normalised(dataset.test_images)
    train_labels = torch.tensor(dataset.train_labels).long()
    test_labels = torch.tensor(dataset.test_labels).long()
    network = example_network()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=_RATE)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=_DECAY)
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        network.train()
        for indices in torch.split(torch.randperm(len(train)), _BATCH):
            optimizer.zero_grad()
            loss = functional.nll_loss(network(train[indices]), train_labels[indices])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        scheduler.step()
        trained = time.perf_counter()
        accuracy = _accuracy(network, test, test_labels)
        yield Epoch(epoch, accuracy, trained - began, time.perf_counter() - trained)


def _normalised(images: object) -> Tensor:
    return torch.tensor(images).unsqueeze(1).float().div_(255).sub_(_MEAN).div_(_STD)


@torch.no_grad()
def _accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    network.eval()
    parts = zip(torch.split(images, _TEST_BATCH), torch.split(labels, _TEST_BATCH), strict=True)
    return sum(int((network(part).argmax(1) == truth).sum()) for part, truth in parts) / len(labels)
