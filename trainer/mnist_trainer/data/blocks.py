"""Going through images a part at a time, whatever memory they lie in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 1 << 20


def blocks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """All of [N, ...] in order, in contiguous parts of 1 MiB."""
    count = max(1, _BLOCK_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), count):
        yield np.ascontiguousarray(images[start : start + count])
