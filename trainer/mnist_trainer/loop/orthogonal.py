"""The step that Muon takes: a gradient's matrix with all its singular values made about 1."""

from __future__ import annotations

import torch
from torch import Tensor

_ITERATIONS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
_EPSILON = 1e-7


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values of ``[rows, columns]`` end between 0.7 and 1.2.

    Newton-Schulz iteration with the coefficients of Jordan et al.: Muon, an optimizer for hidden layers in neural
    networks, 2024. A zero matrix stays zero.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    found: Tensor = wide / (wide.norm() + _EPSILON)
    for _ in range(_ITERATIONS):
        square = found @ found.T
        found = torch.addmm(found, torch.addmm(square, square, square, beta=_B, alpha=_C), found, beta=_A)
    return found if wide is matrix else found.T
