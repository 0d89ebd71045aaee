"""AdamW on one vector, Muon for the convolutions in it, the running average of the weights, and the learning rate.

All parameters lie in one vector and all gradients in another: that means one all-reduce per step, an optimizer of a
handful of operations, and a checkpoint of a few vectors. `torch.optim` would serve as well, but its first use imports
the compiler (seconds of start-up), and its loop over many small parameters costs more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mnist_trainer.plan import Recipe

_ADAM_EPSILON = 1e-8
_NEWTON_SCHULZ_STEPS = 5
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NORM_EPSILON = 1e-7


class FlatParameters:
    """Moves the parameters of `module` into `values`; gradients arrive in `gradients`: float32 vectors ``[P]``.

    `gradients` is the head of `reduced`, whose last element carries the loss, so that both travel in one message.
    """

    def __init__(self, module: nn.Module) -> None:
        parameters = list(module.parameters())
        count = sum(parameter.numel() for parameter in parameters)
        device = parameters[0].device
        self.values = torch.empty(count, device=device)
        self.reduced = torch.zeros(count + 1, device=device)
        self.gradients = self.reduced[:count]
        self.decayed = torch.zeros(count, device=device)
        """1 where weight decay applies: weights of layers, not biases and normalisation."""
        self.filters: list[tuple[int, int, int]] = []
        """Start, end and output channels of each convolution's weights but the first's: matrices, a row per output."""
        offset, convolutions = 0, 0
        for parameter in parameters:
            end = offset + parameter.numel()
            value = _shaped(self.values[offset:end], parameter)
            value.copy_(parameter.detach())
            parameter.data = value
            parameter.grad = _shaped(self.gradients[offset:end], parameter)
            if parameter.dim() > 1 and parameter.requires_grad:  # frozen ones stay as they are
                self.decayed[offset:end] = 1
            if parameter.dim() == 4 and parameter.requires_grad:
                convolutions += 1
                if convolutions > 1:
                    self.filters.append((offset, end, len(parameter)))
            offset = end

    @property
    def loss(self) -> Tensor:
        """The element of `reduced` behind the gradients."""
        return self.reduced[-1]

    def zero_gradients(self) -> None:
        """Clear gradients and loss; set to None, gradients would leave the vector."""
        self.reduced.zero_()


class MuonAdamW:
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
        root = (self.variance / (1 - recipe.beta2**self.updates)).sqrt_().add_(_ADAM_EPSILON)
        update = torch.div(self.momentum, root).mul_(rate / (1 - recipe.beta1**self.updates))
        if recipe.filter_rate:
            self._use_muon_for_filters(update, rate * recipe.filter_rate)
        values.sub_(update)
        decay = min(recipe.average_decay, (1 + self.updates) / (10 + self.updates))
        self.average.lerp_(values, 1 - decay)

    def _use_muon_for_filters(self, update: Tensor, rate: float) -> None:
        nesterov = torch.lerp(self.flat.gradients, self.momentum, self._recipe.beta1)
        for start, end, outputs in self.flat.filters:
            direction = orthogonalised(nesterov[start:end].view(outputs, -1))
            torch.mul(direction.reshape(-1), rate, out=update[start:end])

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Within it the network computes with the averaged weights; training then goes on with its own."""
        kept = self.flat.values.clone()
        self.flat.values.copy_(self.average)
        try:
            yield
        finally:
            self.flat.values.copy_(kept)

    def tensors(self) -> dict[str, Tensor]:
        """The vectors that make up the state, by name (not copies); `updates` belongs to it too."""
        return {
            "values": self.flat.values,
            "momentum": self.momentum,
            "variance": self.variance,
            "average": self.average,
        }


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values of ``[rows, columns]`` end between 0.7 and 1.2.

    Newton-Schulz iteration with the coefficients of Jordan et al.: Muon, an optimizer for hidden layers in neural
    networks, 2024. A zero matrix stays zero.
    """
    a, b, c = _NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    found: Tensor = wide / (wide.norm() + _NORM_EPSILON)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        square = found @ found.T
        found = torch.addmm(found, torch.addmm(square, square, square, beta=b, alpha=c), found, beta=a)
    return found if wide is matrix else found.T


def one_cycle(step: int, steps: int, peak: float, warmup: float, start: float = 0.05) -> float:
    """Learning rate of `step` (from 0) out of `steps`: up from `start` x peak to the peak, then down towards 0.

    The one-cycle schedule (Smith, Topin: Super-convergence, 2017) with straight lines.
    """
    position = step / steps
    if position < warmup:
        return peak * (start + (1 - start) * position / warmup)
    return peak * (1 - position) / (1 - warmup)


def _shaped(vector: Tensor, parameter: nn.Parameter) -> Tensor:
    if parameter.dim() != 4:
        return vector.view(parameter.shape)
    outputs, inputs, height, width = parameter.shape
    # Channels last: the memory order that convolutions on CPUs and tensor cores compute in.
    return vector.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
