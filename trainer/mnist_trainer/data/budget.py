"""How much of this machine's memory a dataset may take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mnist_trainer.errors import InvalidConfigError

_VARIABLE = "MNIST_DATASET_MEMORY_BYTES"
_SHARE = 5  # a fifth: it lies there twice, once in the driver and once in Ray's object store (30 % of the memory)
_LEAST = 256 << 20
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def dataset_memory(env: Mapping[str, str] | None = None) -> int:
    """Bytes beyond which a dataset stays on disk: MNIST_DATASET_MEMORY_BYTES, or a fifth of what this container has.

    Raises InvalidConfigError.
    """
    given = (os.environ if env is None else env).get(_VARIABLE, "").strip()
    if not given:
        return max(_LEAST, _memory() // _SHARE)
    if not given.isascii() or not given.isdecimal():
        raise InvalidConfigError(f"{_VARIABLE} must be a number of bytes, not {given[:40]!r}")
    return int(given)


def _memory() -> int:
    """Bytes of memory of this container or machine."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _CGROUP_LIMITS:
        try:
            sizes.append(int(Path(name).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(sizes)
