"""All parameters of a network in one vector, and all gradients in another.

One vector means one all-reduce per step, an optimizer of a handful of operations, and a checkpoint of a few vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
            if parameter.dim() > 1:
                self.decayed[offset:end] = 1
            if parameter.dim() == 4:
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


def _shaped(vector: Tensor, parameter: nn.Parameter) -> Tensor:
    if parameter.dim() != 4:
        return vector.view(parameter.shape)
    outputs, inputs, height, width = parameter.shape
    # Channels last: the memory order that convolutions on CPUs and tensor cores compute in.
    return vector.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
