"""Every image is computed exactly once per epoch, whatever the number of workers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.batches import EpochSampler, shard


@given(images=st.integers(1, 400), steps=st.integers(1, 60), world_size=st.integers(1, 20), epoch=st.integers(0, 50))
def test_covers_every_image_once(images, steps, world_size, epoch):
    steps = min(steps, images)
    sampler = EpochSampler(7, epoch, images, steps)
    slices = [sampler.indices(step, rank, world_size) for step in range(steps) for rank in range(world_size)]
    assert sorted(np.concatenate(slices).tolist()) == list(range(images))
    sizes = [sampler.batch_size(step) for step in range(steps)]
    assert sum(sizes) == images
    assert max(sizes) - min(sizes) <= 1


@given(images=st.integers(2, 300), world_size=st.integers(1, 9))
def test_batches_do_not_depend_on_the_number_of_workers(images, world_size):
    sampler = EpochSampler(1, 2, images, 2)
    for step in range(2):
        together = np.concatenate([sampler.indices(step, rank, world_size) for rank in range(world_size)])
        assert together.tolist() == sampler.indices(step, 0, 1).tolist()


@given(count=st.integers(0, 1000), parts=st.integers(1, 50))
def test_pieces_are_even_and_adjacent(count, parts):
    pieces = [shard(count, parts, part) for part in range(parts)]
    assert pieces[0][0] == 0
    assert pieces[-1][1] == count
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    sizes = [end - start for start, end in pieces]
    assert max(sizes) - min(sizes) <= 1


def test_epochs_and_seeds_differ():
    orders = {tuple(EpochSampler(seed, epoch, 100, 1).indices(0, 0, 1)) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(orders) == 6
    assert EpochSampler(1, 1, 100, 1).indices(0, 0, 1).tolist() == EpochSampler(1, 1, 100, 1).indices(0, 0, 1).tolist()
