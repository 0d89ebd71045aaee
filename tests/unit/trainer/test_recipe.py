"""Augmentation is a function of (seed, epoch, image); schedule and batch follow their rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.augment import affine_maps, permutation, uniform, warp
from mnist_trainer.optim import one_cycle
from mnist_trainer.plan import AugmentationSettings, make_recipe


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30), st.integers(0, 2**31 - 1), st.integers(0, 10**4))
def test_random_numbers_depend_on_the_key_alone(indices, seed, epoch):
    together = uniform(seed, epoch, np.array(indices), 4)
    assert together.shape == (len(indices), 4)
    assert (together >= 0).all()
    assert (together < 1).all()
    for row, index in zip(together, indices, strict=True):
        assert row.tolist() == uniform(seed, epoch, np.array([index]), 4)[0].tolist()


def test_random_numbers_are_uniform_and_uncorrelated():
    numbers = uniform(1, 2, np.arange(50_000), 3)
    assert np.abs(numbers.mean(0) - 0.5).max() < 0.01
    assert np.abs(numbers.var(0) - 1 / 12).max() < 0.002
    correlation = np.corrcoef(
        np.vstack([numbers.T, uniform(1, 3, np.arange(50_000), 3).T, uniform(2, 2, np.arange(50_000), 3).T])
    )
    assert np.abs(correlation - np.eye(9)).max() < 0.02


@given(st.integers(0, 2**31 - 1), st.integers(0, 10_000), st.integers(0, 500))
def test_permutation_is_one(seed, epoch, count):
    assert sorted(permutation(seed, epoch, count).tolist()) == list(range(count))


def test_permutation_never_changes():
    """Checkpoints of older versions rely on it."""
    assert permutation(0, 0, 8).tolist() == [5, 4, 6, 2, 3, 7, 1, 0]


def test_augmentation_does_not_depend_on_the_batch():
    settings = AugmentationSettings()
    images = torch.rand(20, 1, 28, 28)
    indices = np.arange(100, 120)
    whole = warp(images, affine_maps(settings, (28, 28), 5, 1, indices))
    parts = [warp(images[i : i + 1], affine_maps(settings, (28, 28), 5, 1, indices[i : i + 1])) for i in range(20)]
    assert torch.equal(torch.cat(parts), whole)
    other_epoch = warp(images, affine_maps(settings, (28, 28), 5, 2, indices))
    assert not torch.equal(other_epoch, whole)


def test_only_the_first_epoch_is_augmented_less():
    settings, indices = AugmentationSettings(first_epoch=0.5), np.arange(50)
    first, plain = (affine_maps(kind, (28, 28), 5, 0, indices) for kind in (settings, AugmentationSettings()))
    torch.testing.assert_close(first[:, :, 2], plain[:, :, 2] / 2)
    assert torch.equal(*(affine_maps(kind, (28, 28), 5, 1, indices) for kind in (settings, AugmentationSettings())))


def test_no_augmentation_is_the_identity():
    still = AugmentationSettings(0, 0, 0, 0)
    images = torch.rand(3, 2, 28, 28)
    torch.testing.assert_close(
        warp(images, affine_maps(still, (28, 28), 0, 0, np.arange(3))), images, atol=1e-5, rtol=0
    )


def test_warp_is_pytorchs_own_for_any_map():
    maps = affine_maps(AugmentationSettings(40, 0.5, 0.5, 5), (20, 31), 1, 2, np.arange(9))
    images = torch.rand(9, 3, 20, 31)
    grid = torch.nn.functional.affine_grid(maps, [9, 3, 20, 31], align_corners=False)
    torch.testing.assert_close(
        warp(images, maps), torch.nn.functional.grid_sample(images, grid, align_corners=False), atol=1e-4, rtol=0
    )


def test_shift_moves_by_pixels():
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 14, 14] = 1
    maps = torch.tensor([[[1.0, 0, 3 * 2 / 28], [0, 1.0, 0]]])
    assert warp(images, maps)[0, 0, 14, 11] == pytest.approx(1, abs=1e-4)


@given(st.integers(5, 5000), st.floats(1e-6, 1))
def test_schedule_rises_and_falls(steps, peak):
    rates = [one_cycle(step, steps, peak, warmup=0.2) for step in range(steps)]
    top = int(np.argmax(rates))
    assert max(rates) <= peak * (1 + 1e-9)
    assert min(rates) > 0
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_batch_is_per_worker_and_rate_grows_with_it():
    two, eight = make_recipe("cnn", 60_000, 5, 64, 2, None), make_recipe("cnn", 60_000, 5, 64, 8, None)
    assert (two.batch, eight.batch) == (128, 512)
    assert eight.peak_rate == pytest.approx(2 * two.peak_rate)
    assert make_recipe("cnn", 60_000, 5, 64, 8, 0.5).peak_rate == 0.5


def test_small_data_still_gets_enough_steps():
    recipe = make_recipe("cnn", 1437, 5, 64, 2, None)
    assert recipe.steps_per_epoch(1437) >= 31
    assert make_recipe("cnn", 10, 1, 64, 2, None).steps_per_epoch(10) == 1


@given(st.integers(1, 100_000), st.integers(1, 1024), st.integers(1, 64))
def test_batch_never_exceeds_what_was_asked(images, batch, workers):
    recipe = make_recipe("mlp", images, 1, batch, workers, None)
    assert 1 <= recipe.batch <= batch * workers
