"""The one-cycle learning-rate schedule (Smith, Topin: Super-convergence, 2017), with straight lines."""

from __future__ import annotations


def one_cycle(step: int, steps: int, peak: float, warmup: float = 0.2, start: float = 0.05) -> float:
    """Learning rate of `step` (from 0) out of `steps`: up from `start` x peak to the peak, then down towards 0."""
    position = step / steps
    if position < warmup:
        return peak * (start + (1 - start) * position / warmup)
    return peak * (1 - position) / (1 - warmup)
