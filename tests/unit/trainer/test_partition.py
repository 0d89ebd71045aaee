"""Every image is computed exactly once per epoch, whatever the number of workers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.loop.partition import EpochPlan, cut


@given(images=st.integers(1, 400), steps=st.integers(1, 60), world_size=st.integers(1, 20), epoch=st.integers(0, 50))
def test_covers_every_image_once(images, steps, world_size, epoch):
    steps = min(steps, images)
    plan = EpochPlan(7, epoch, images, steps)
    slices = [plan.slice(step, rank, world_size) for step in range(steps) for rank in range(world_size)]
    assert sorted(np.concatenate(slices).tolist()) == list(range(images))
    sizes = [plan.batch_size(step) for step in range(steps)]
    assert sum(sizes) == images
    assert max(sizes) - min(sizes) <= 1


@given(images=st.integers(2, 300), world_size=st.integers(1, 9))
def test_batches_do_not_depend_on_the_number_of_workers(images, world_size):
    plan = EpochPlan(1, 2, images, 2)
    for step in range(2):
        together = np.concatenate([plan.slice(step, rank, world_size) for rank in range(world_size)])
        assert together.tolist() == plan.slice(step, 0, 1).tolist()


@given(count=st.integers(0, 1000), parts=st.integers(1, 50))
def test_pieces_are_even_and_adjacent(count, parts):
    pieces = [cut(count, parts, part) for part in range(parts)]
    assert pieces[0][0] == 0
    assert pieces[-1][1] == count
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    sizes = [end - start for start, end in pieces]
    assert max(sizes) - min(sizes) <= 1


def test_epochs_and_seeds_differ():
    orders = {tuple(EpochPlan(seed, epoch, 100, 1).slice(0, 0, 1)) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(orders) == 6
    assert EpochPlan(1, 1, 100, 1).slice(0, 0, 1).tolist() == EpochPlan(1, 1, 100, 1).slice(0, 0, 1).tolist()
