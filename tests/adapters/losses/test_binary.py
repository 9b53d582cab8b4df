import math

import pytest
import torch

from bench.adapters.losses.binary import focal_factor, soft_focal_factor

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]


def drawn(seed=0, shape=(4, 7)):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    targets = torch.rand(shape, generator=generator, dtype=torch.float64)
    return logits, targets * (targets > 0.5)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_it_is_the_distance_of_target_and_probability_to_the_power(gamma):
    logits, targets = drawn()
    found = focal_factor(logits, targets, gamma)
    for z, t, phi in zip(
        logits.flatten().tolist(), targets.flatten().tolist(), found.flatten().tolist(), strict=True
    ):
        assert phi == pytest.approx(abs(t - 1 / (1 + math.exp(-z))) ** gamma, abs=1e-9)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_for_soft_targets_it_is_a_share_of_the_most_there_can_be(gamma):
    logits, targets = drawn()
    found = soft_focal_factor(logits, targets, gamma)
    for z, t, phi in zip(
        logits.flatten().tolist(), targets.flatten().tolist(), found.flatten().tolist(), strict=True
    ):
        p = 1 / (1 + math.exp(-z))
        assert phi == pytest.approx((1 - p / t if p < t else (p - t) / (1 - t)) ** gamma, abs=1e-9)
    ends = soft_focal_factor(torch.tensor([-40.0, 40.0]).double(), torch.full((2,), 0.01).double(), gamma)
    assert ends.tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("factor", [focal_factor, soft_focal_factor])
def test_with_hard_targets_it_is_lin_s(factor, gamma):
    logits, _ = drawn()
    targets = (logits > 1).double()
    p_t = torch.where(targets == 1, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(factor(logits, targets, gamma), (1 - p_t) ** gamma)


@pytest.mark.parametrize("gamma", GAMMAS[1:])
@pytest.mark.parametrize("factor", [focal_factor, soft_focal_factor])
def test_its_gradient_is_that_of_finite_differences(factor, gamma):
    logits, targets = drawn()
    assert torch.autograd.gradcheck(
        lambda z: factor(z, targets, gamma), (logits.requires_grad_(),), eps=1e-7, atol=1e-5
    )


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", [focal_factor, soft_focal_factor])
def test_no_number_is_too_large_for_it(kind, gamma, dtype):
    logits = torch.tensor([-6e4, -88.0, -17.0, 0.0, 17.0, 88.0, 6e4], dtype=dtype).requires_grad_()
    for target in (0.0, 1e-7, 0.5, 1.0):
        factor = kind(logits, torch.full_like(logits, target), gamma)
        assert factor.dtype == torch.float32
        assert bool(((factor >= 0) & (factor <= 1)).all())
        if gamma:
            (gradient,) = torch.autograd.grad(factor.sum(), logits)
            assert bool(gradient.isfinite().all())
