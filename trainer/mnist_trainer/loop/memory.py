"""Keep the memory that a step frees, for the next step."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_BYTES = 512 << 20


def keep_freed_memory() -> bool:
    """Tell glibc's malloc not to give freed memory back to the kernel, and whether that worked.

    By default every large activation is mapped, zeroed page by page and unmapped again in each step, which here cost
    about a fifth of the training time.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return all([mallopt(_TRIM_THRESHOLD, _BYTES), mallopt(_MMAP_THRESHOLD, 32 << 20), mallopt(_TOP_PAD, 64 << 20)])
