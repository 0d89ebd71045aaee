"""AdamW as PyTorch's, Muon for the filters of a network that asks for it, and an average that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from mnist_trainer.models import build
from mnist_trainer.optim import FlatParameters, MuonAdamW, orthogonalised
from mnist_trainer.plan import ModelSpec, make_recipe


@pytest.mark.parametrize("shape", [(32, 144), (64, 64), (90, 20), (1, 9)])
def test_singular_values_become_about_one(shape):
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(shape, generator=generator) * 1e-3
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.3  # a square matrix of random numbers has some singular values near 0, which rise slowly
    assert values.max() < 1.3


def test_direction_is_that_of_the_matrix():
    left, _ = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(2)))
    right, _ = torch.linalg.qr(torch.randn(40, 16, generator=torch.Generator().manual_seed(3)))
    matrix = left @ torch.diag(torch.linspace(1, 2, 16)) @ right.T
    nearest = left @ right.T
    assert torch.linalg.matrix_norm(orthogonalised(matrix) - nearest, 2) < 0.4


def test_zero_matrix_stays_zero():
    assert not orthogonalised(torch.zeros(4, 6)).any()


def test_filters_are_all_convolutions_but_the_first():
    network = build(ModelSpec("cnn", 10))
    convolutions = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    flat = FlatParameters(network)
    assert len(flat.filters) == len(convolutions) - 1
    for (start, end, outputs), weight in zip(flat.filters, convolutions[1:], strict=True):
        rows = flat.values[start:end].view(outputs, -1)
        assert torch.equal(rows, weight.permute(0, 2, 3, 1).reshape(outputs, -1))
    assert not FlatParameters(build(ModelSpec("mlp", 10))).filters


def test_without_a_filter_rate_it_is_pytorchs_adamw():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3))
    recipe = replace(make_recipe("lenet5", 1000, 1, 64, 1, None), beta2=0.99, weight_decay=0.1)
    flat = FlatParameters(network)
    optimizer = MuonAdamW(flat, recipe)
    theirs = nn.Parameter(flat.values.clone())
    reference = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
    flat.decayed.fill_(1)
    for step in range(5):
        gradient = torch.randn(len(theirs), generator=torch.Generator().manual_seed(step))
        flat.gradients.copy_(gradient)
        theirs.grad = gradient
        optimizer.step(0.01)
        reference.step()
    torch.testing.assert_close(flat.values, theirs.detach(), rtol=1e-4, atol=1e-6)


def test_a_step_with_a_filter_rate_turns_filters_by_a_semi_orthogonal_matrix():
    flat = FlatParameters(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4, 2)))
    optimizer = MuonAdamW(flat, replace(make_recipe("cnn", 1000, 1, 64, 1, None), filter_rate=2.0, weight_decay=0))
    before = flat.values.clone()
    flat.gradients.copy_(torch.randn(len(before), generator=torch.Generator().manual_seed(0)))
    optimizer.step(0.01)
    moved = flat.values - before
    ((start, end, outputs),) = flat.filters
    values = torch.linalg.svdvals(moved[start:end].view(outputs, -1))
    assert values.min() > 0.01
    assert values.max() < 0.03
    others = torch.cat([moved[:start], moved[end:]]).abs()
    torch.testing.assert_close(others, torch.full_like(others, 0.01), rtol=1e-3, atol=0)
    assert torch.equal(optimizer.average[start:end], torch.lerp(before, flat.values, 1 - 2 / 11)[start:end])
