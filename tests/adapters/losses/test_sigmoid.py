"""DETR's class loss with a sigmoid a class against loops over plain numbers and Deformable DETR's own."""

import math
from typing import Any

import pytest
import torch
from transformers.loss.loss_for_object_detection import sigmoid_focal_loss

from bench.adapters.losses.sigmoid import PRIOR_LOGIT, SigmoidLoss
from bench.adapters.losses.weights import ExampleWeights
from bench.loss import LossConfig

pytestmark = pytest.mark.slow

COUNTS = {"often": 80, "rare": 20}


def loss_of(
    *, background: float = 1.0, queries: int = 10, boxes: float = 2.0, **settings: Any
) -> SigmoidLoss:
    weights = ExampleWeights.of(LossConfig(**settings), COUNTS, background=background)
    return SigmoidLoss(weights, queries=queries, boxes_an_image=boxes).double()


def drawn(queries: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    logits = 3 * torch.randn(queries, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return logits, torch.arange(queries) % 3


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25, 0.5])
@pytest.mark.parametrize("normalise", [True, False])
def test_it_is_the_formula(gamma: float, alpha: float | None, normalise: bool) -> None:
    logits, targets = drawn()
    settings = {"focal_gamma": gamma, "focal_alpha": alpha, "normalise": normalise}
    loss = loss_of(classification="weighted_focal", background=0.3, **settings)
    weights = [100 / (2 * 80), 100 / (2 * 20), 0.3]
    double = 2 if normalise else 1
    there, none = (1.0, 1.0) if alpha is None else (double * alpha, double * (1 - alpha))
    whole = 0.0
    for z, y in zip(logits.tolist(), targets.tolist(), strict=True):
        for c in range(2):
            p = 1 / (1 + math.exp(-z[c]))
            if c == y:
                whole += weights[y] * there * (1 - p) ** gamma * -math.log(p)
            else:
                whole += weights[y] * none * p**gamma * -math.log(1 - p)
    objects = sum(y < 2 for y in targets.tolist())
    assert float(loss(logits, targets)) == pytest.approx(loss.scale * whole / objects, rel=1e-6)
    assert normalise or loss.scale == 1


def test_unweighted_it_is_deformable_detrs() -> None:
    logits, targets = drawn()
    wanted = torch.nn.functional.one_hot(targets, 3)[:, :2].double()
    theirs = sigmoid_focal_loss(logits[None, :, :2], wanted[None], 6, alpha=0.25, gamma=2) * len(targets)
    ours = loss_of(classification="focal", focal_alpha=0.25, normalise=False)(logits, targets)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("settings", [{}, {"focal_alpha": 0.25}, {"focal_gamma": 0.5}, {"focal_gamma": 0.0}])
@pytest.mark.parametrize("background", [1.0, 0.2])
def test_it_begins_as_large_as_the_softmax_loss(settings: dict[str, float], background: float) -> None:
    """All scores at the prior; 50 pictures of 10 queries, with the boxes of train."""
    targets = torch.tensor([0] * 80 + [1] * 20 + [2] * 400)
    logits = torch.full((500, 3), PRIOR_LOGIT, dtype=torch.float64)
    loss = loss_of(classification="weighted_focal", background=background, **settings)
    assert float(loss(logits, targets)) == pytest.approx(math.log(3), rel=1e-6)


def test_its_gradient_is_that_of_finite_differences_and_spares_no_object() -> None:
    logits, targets = drawn()
    loss = loss_of(classification="weighted_focal", focal_alpha=0.25)
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), (logits.requires_grad_(),))
    loss(logits, targets).backward()
    assert logits.grad is not None
    assert not logits.grad[:, 2].any() and logits.grad[:, :2].all()


def test_a_rarer_class_gets_a_larger_gradient() -> None:
    logits = torch.full((2, 3), PRIOR_LOGIT, dtype=torch.float64, requires_grad=True)
    loss_of(classification="weighted_focal")(logits, torch.tensor([0, 1])).backward()
    assert logits.grad is not None
    often, rare = logits.grad.norm(dim=1)
    assert rare == pytest.approx(4 * often)


def test_pictures_without_objects_and_data_without_boxes() -> None:
    logits, _ = drawn()
    loss = loss_of(classification="focal", boxes=0.0)
    value = loss(logits, torch.full((9,), 2))
    assert loss.scale == 1 and value.isfinite() and value > 0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1.0, 30_000.0])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 2.0])
def test_half_precision_and_extreme_logits_give_numbers(kind: torch.dtype, size: float, gamma: float) -> None:
    logits, targets = drawn()
    logits = (size * logits.sign()).to(kind).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss_of(classification="weighted_focal", focal_gamma=gamma).float()(logits, targets)
    value.backward()
    assert value.isfinite() and logits.grad is not None and logits.grad.isfinite().all()
