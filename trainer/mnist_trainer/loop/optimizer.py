"""AdamW on one vector, and the running average of the weights.

`torch.optim` would serve as well, but its first use imports the compiler (seconds of start-up), and its loop over many
small parameters costs more than the arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mnist_trainer.loop.flat import FlatParameters

_EPSILON = 1e-8


class FlatAdamW:
    """AdamW (Loshchilov, Hutter: Decoupled weight decay regularization, 2019) over a `FlatParameters`.

    `average` is an exponential moving average of the weights, of shorter memory at the beginning. It is what is
    evaluated and released: it reaches early what the weights themselves reach only at the end of the schedule.
    """

    def __init__(
        self, flat: FlatParameters, *, beta1: float, beta2: float, weight_decay: float, average_decay: float
    ) -> None:
        self.flat = flat
        self.beta1, self.beta2 = beta1, beta2
        self.weight_decay = weight_decay
        self.average_decay = average_decay
        self.updates = 0
        self.momentum = torch.zeros_like(flat.values)
        self.variance = torch.zeros_like(flat.values)
        self.average = flat.values.clone()

    def step(self, rate: float) -> None:
        """Apply the gradients in `flat` with learning rate `rate`."""
        gradients, values = self.flat.gradients, self.flat.values
        self.updates += 1
        self.momentum.lerp_(gradients, 1 - self.beta1)
        self.variance.mul_(self.beta2).addcmul_(gradients, gradients, value=1 - self.beta2)
        values.addcmul_(values, self.flat.decayed, value=-rate * self.weight_decay)
        root = (self.variance / (1 - self.beta2**self.updates)).sqrt_().add_(_EPSILON)
        values.addcdiv_(self.momentum, root, value=-rate / (1 - self.beta1**self.updates))
        decay = min(self.average_decay, (1 + self.updates) / (10 + self.updates))
        self.average.lerp_(values, 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """The vectors that make up the state, by name (not copies); `updates` belongs to it too."""
        return {
            "values": self.flat.values,
            "momentum": self.momentum,
            "variance": self.variance,
            "average": self.average,
        }
