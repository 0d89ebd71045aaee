"""Random numbers that are a function of their key: no state to save, the same for every way of splitting the work."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Words = npt.NDArray[np.uint64]
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed: int, epoch: int, indices: npt.NDArray[np.int64], columns: int) -> npt.NDArray[np.float32]:
    """Uniform numbers in [0, 1), ``[len(indices), columns]``: row `i` depends on (seed, epoch, indices[i]) alone."""
    with np.errstate(over="ignore"):
        key = _mix(_mix(np.array([seed], np.uint64)) + np.array([epoch], np.uint64))
        rows = _mix(key + indices.astype(np.uint64))
        cells = _mix(rows[:, None] + np.arange(1, columns + 1, dtype=np.uint64)[None, :] * _GAMMA)
    return ((cells >> np.uint64(40)).astype(np.float32)) * np.float32(2.0**-24)


def permutation(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """The order of an epoch: a permutation of ``range(count)`` that depends on (seed, epoch) alone."""
    with np.errstate(over="ignore"):
        key = _mix(_mix(np.array([~seed], np.int64).view(np.uint64)) + np.array([epoch], np.uint64))
        return np.argsort(_mix(np.arange(count, dtype=np.uint64) + key), kind="stable")


def _mix(values: _Words) -> _Words:
    # SplitMix64's step and output function (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    values = values + _GAMMA
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
