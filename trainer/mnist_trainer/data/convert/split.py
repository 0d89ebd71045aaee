"""Which pictures are for testing, where the source does not say: a share of each class, decided by seed and name."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from mnist_trainer.data.convert.tree import Picture


def shuffle_key(seed: int, key: str) -> bytes:
    """Sorting by it is a shuffle; adding or removing pictures leaves the others' order as it is."""
    return hashlib.sha256(f"{seed}/{key}".encode("utf-8", "surrogateescape")).digest()


def divide(pictures: Sequence[Picture], share: float, seed: int) -> tuple[list[Picture], list[Picture]]:
    """(training, test) pictures, each in shuffled order. A class of at least two pictures has one on either side."""
    ordered = sorted(pictures, key=lambda picture: (shuffle_key(seed, picture.key), picture.name))
    if any(picture.is_test is not None for picture in pictures):
        return [p for p in ordered if not p.is_test], [p for p in ordered if p.is_test]
    of_class: dict[str, list[Picture]] = defaultdict(list)
    for picture in ordered:
        of_class[picture.label].append(picture)
    test: set[str] = set()
    for members in of_class.values():
        if len(members) > 1:
            count = min(len(members) - 1, max(1, round(share * len(members))))
            test.update(picture.name for picture in members[:count])
    return [p for p in ordered if p.name not in test], [p for p in ordered if p.name in test]
