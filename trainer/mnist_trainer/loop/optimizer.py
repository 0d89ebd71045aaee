"""AdamW on one vector, Muon for the convolutions in it, and the running average of the weights.

`torch.optim` would serve as well, but its first use imports the compiler (seconds of start-up), and its loop over many
small parameters costs more than the arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mnist_trainer.loop.flat import FlatParameters
from mnist_trainer.loop.orthogonal import orthogonalised
from mnist_trainer.recipe.recipe import Recipe

_EPSILON = 1e-8


class FlatOptimizer:
    """AdamW (Loshchilov, Hutter: Decoupled weight decay regularization, 2019) over a `FlatParameters`.

    Where the recipe has a `filter_rate`, the weights of all convolutions but the first go by Muon (Jordan et al., 2024)
    instead: that is accurate in fewer epochs. Both keep the same momentum.

    `average` is an exponential moving average of the weights, of shorter memory at the beginning. It is what is
    evaluated and released: it reaches early what the weights themselves reach only at the end of the schedule.
    """

    def __init__(self, flat: FlatParameters, recipe: Recipe) -> None:
        self.flat = flat
        self._recipe = recipe
        self.updates = 0
        self.momentum = torch.zeros_like(flat.values)
        self.variance = torch.zeros_like(flat.values)
        self.average = flat.values.clone()

    def step(self, rate: float) -> None:
        """Apply the gradients in `flat` with AdamW's learning rate `rate`; Muon's follows it."""
        recipe, gradients, values = self._recipe, self.flat.gradients, self.flat.values
        self.updates += 1
        self.momentum.lerp_(gradients, 1 - recipe.beta1)
        self.variance.mul_(recipe.beta2).addcmul_(gradients, gradients, value=1 - recipe.beta2)
        values.addcmul_(values, self.flat.decayed, value=-rate * recipe.weight_decay)
        root = (self.variance / (1 - recipe.beta2**self.updates)).sqrt_().add_(_EPSILON)
        update = torch.div(self.momentum, root).mul_(rate / (1 - recipe.beta1**self.updates))
        if recipe.filter_rate:
            self._orthogonalise(update, rate * recipe.filter_rate)
        values.sub_(update)
        decay = min(recipe.average_decay, (1 + self.updates) / (10 + self.updates))
        self.average.lerp_(values, 1 - decay)

    def _orthogonalise(self, update: Tensor, rate: float) -> None:
        ahead = torch.lerp(self.flat.gradients, self.momentum, self._recipe.beta1)  # Nesterov's
        for start, end, outputs in self.flat.filters:
            direction = orthogonalised(ahead[start:end].view(outputs, -1))
            torch.mul(direction.reshape(-1), rate, out=update[start:end])

    def tensors(self) -> dict[str, Tensor]:
        """The vectors that make up the state, by name (not copies); `updates` belongs to it too."""
        return {
            "values": self.flat.values,
            "momentum": self.momentum,
            "variance": self.variance,
            "average": self.average,
        }
