"""The softmax heads' class loss against loops over plain numbers, and what must hold of it."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench.adapters.losses.softmax import SoftmaxLoss
from bench.adapters.losses.weights import ExampleWeights
from bench.loss import LossConfig

pytestmark = pytest.mark.slow

End = Literal["first", "last"]
COUNTS = {"often": 80, "some": 15, "rare": 5}


def loss_of(
    counts: dict[str, int] = COUNTS, *, background: float = 1.0, at: End = "last", **options: Any
) -> SoftmaxLoss:
    made = SoftmaxLoss(ExampleWeights.of(LossConfig(**options), counts, background=background), background=at)
    return made.double()


def by_hand(
    logits: Sequence[Sequence[float]],
    targets: Sequence[int],
    *,
    weights: Sequence[float],
    b: float,
    empty: int,
    gamma: float,
    alpha: float | None,
    eps: float,
    normalise: bool,
) -> float:
    """The formula of docs/losses.md, an example at a time; `weights` by output, `empty` that of no object."""
    outputs = len(weights)
    over, under = 0.0, 0.0
    for z, y in zip(logits, targets, strict=True):
        p = [math.exp(one) / sum(math.exp(other) for other in z) for one in z]
        loss = (1 - eps) * -math.log(p[y]) + eps / outputs * sum(-math.log(one) for one in p)
        base = b if y == empty else 1.0
        side = 1.0
        if alpha is not None:
            side = (1 - alpha if y == empty else alpha) * (2 if normalise else 1)
        w = 1.0 if y == empty else weights[y]
        over += w * base * side * (1 - p[y]) ** gamma * loss
        under += base * side if normalise else w * base
    scale = (outputs / (outputs - 1)) ** gamma if normalise else 1.0
    return scale * over / under


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    examples=st.integers(1, 12),
    gamma=st.sampled_from([None, 0.0, 0.3, 1.0, 2.0, 5.0]),
    alpha=st.sampled_from([None, 0.25, 0.5, 0.9]),
    eps=st.sampled_from([0.0, 0.1, 0.6]),
    weighted=st.booleans(),
    normalise=st.booleans(),
    b=st.sampled_from([0.1, 1.0, 3.0]),
    at=st.sampled_from(["first", "last"]),
)
def test_it_is_the_formula(
    seed: int,
    examples: int,
    gamma: float | None,
    alpha: float | None,
    eps: float,
    weighted: bool,
    normalise: bool,
    b: float,
    at: End,
) -> None:
    options: dict[str, Any] = {"normalise": normalise, "label_smoothing": eps}
    options["classification"] = {
        (False, False): "standard",
        (True, False): "weighted",
        (False, True): "focal",
        (True, True): "weighted_focal",
    }[weighted, gamma is not None]
    if gamma is not None:
        options |= {"focal_gamma": gamma, "focal_alpha": alpha}
    total = sum(COUNTS.values())
    weights = [total / (3 * count) if weighted else 1.0 for count in COUNTS.values()]  # mean over boxes: 1
    random = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(examples, 4, generator=random, dtype=torch.float64)
    targets = torch.randint(4, (examples,), generator=random)
    expected = by_hand(
        logits.tolist(),
        targets.tolist(),
        weights=[0.0, *weights] if at == "first" else [*weights, 0.0],
        b=b,
        empty=0 if at == "first" else 3,
        gamma=gamma or 0.0,
        alpha=alpha if gamma is not None else None,
        eps=eps,
        normalise=normalise,
    )
    found = loss_of(background=b, at=at, **options)(logits, targets)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def drawn(examples: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(examples, 4, generator=random, dtype=torch.float64)
    return logits, torch.arange(examples) % 4


def gradient(loss: SoftmaxLoss, logits: Tensor, targets: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    loss(logits, targets).backward()
    assert logits.grad is not None
    return logits.grad


def test_without_weights_and_focus_it_is_the_frameworks() -> None:
    logits, targets = drawn()
    ours, theirs = loss_of(at="first")(logits, targets), cross_entropy(logits, targets)
    torch.testing.assert_close(ours, theirs)
    weight = torch.tensor([1, 1, 1, 0.1], dtype=torch.float64)
    ours = loss_of(classification="focal", focal_gamma=0, focal_alpha=0.5, background=0.1)(logits, targets)
    torch.testing.assert_close(ours, cross_entropy(logits, targets, weight), rtol=1e-6, atol=0)


def test_the_textbooks_weighted_loss_is_torchs() -> None:
    logits, targets = drawn()
    table = {"often": 0.5, "some": 2.0, "rare": 7.0}
    loss = loss_of(classification="weighted", class_weights=table, background=0.1, normalise=False)
    weight = torch.tensor([0.5, 2.0, 7.0, 0.1], dtype=torch.float64)
    torch.testing.assert_close(
        loss(logits, targets), cross_entropy(logits, targets, weight), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("gamma", [0.0, 0.4, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("at", ["first", "last"])
def test_its_gradient_is_that_of_finite_differences(gamma: float, at: End) -> None:
    logits, targets = drawn(6)
    loss = loss_of(
        classification="weighted_focal", focal_gamma=gamma, label_smoothing=0.1, background=0.3, at=at
    )
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), (logits.requires_grad_(),))


def test_permuted_classes_permute_the_gradient() -> None:
    logits, targets = drawn()
    order = [2, 0, 1]
    moved = {list(COUNTS)[new]: list(COUNTS.values())[new] for new in order}
    options = {"classification": "weighted_focal", "focal_alpha": 0.25, "background": 0.1}
    outputs = torch.tensor([*order, 3])
    expected = gradient(loss_of(**options), logits, targets)[:, outputs]
    found = gradient(loss_of(moved, **options), logits[:, outputs], outputs.argsort()[targets])
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(
        found, gradient(loss_of(**options), logits[:, outputs], outputs.argsort()[targets])
    )


@pytest.mark.parametrize("normalise", [True, False])
def test_a_rarer_class_gets_a_larger_gradient(normalise: bool) -> None:
    logits, targets = torch.zeros(4, 4, dtype=torch.float64), torch.arange(4)
    sizes = gradient(loss_of(classification="weighted", normalise=normalise), logits, targets).norm(dim=1)
    assert sizes[2] > sizes[1] > sizes[0] > 0
    even = gradient(loss_of(classification="standard"), logits, targets).norm(dim=1)
    torch.testing.assert_close(even, even[:1].expand(4))


def test_an_easy_example_counts_less() -> None:
    logits = torch.tensor([[3.0, 0, 0, 0], [0.0, 0, 0, 0]], dtype=torch.float64)
    targets = torch.tensor([0, 0])
    plain = gradient(loss_of(), logits, targets).norm(dim=1)
    focal = gradient(loss_of(classification="focal"), logits, targets).norm(dim=1)
    assert focal[0] / focal[1] < 0.1 * plain[0] / plain[1]


@pytest.mark.parametrize("scheme", ["inverse_frequency", "inverse_sqrt", "effective_number", "hard"])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_it_begins_as_large_as_the_standard_loss(scheme: str, gamma: float) -> None:
    """All outputs even, the classes as frequent as in train."""
    objects = [label for label, count in enumerate(COUNTS.values()) for _ in range(count)]
    targets = torch.tensor(objects + [3] * 900)
    logits = torch.zeros(len(targets), 4, dtype=torch.float64)
    options = {"focal_gamma": gamma, "focal_alpha": 0.3}
    loss = loss_of(classification="weighted_focal", class_weights=scheme, background=0.1, **options)
    assert float(loss(logits, targets)) == pytest.approx(math.log(4), rel=1e-5)


def test_where_nothing_counts_it_is_nothing() -> None:
    """No object, a background of weight 0; and no example at all."""
    logits, _ = drawn(5)
    loss = loss_of(classification="focal", background=0.0)
    targets = torch.full((5,), 3)
    assert float(loss(logits, targets)) == 0
    assert gradient(loss, logits, targets).count_nonzero() == 0
    assert float(loss(logits[:0], targets[:0])) == 0
    assert float(loss_of(classification="focal")(logits, targets)) > 0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("size", [1.0, 60.0, 30_000.0])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 2.0])
def test_half_precision_and_extreme_logits_give_numbers(kind: torch.dtype, size: float, gamma: float) -> None:
    logits, targets = drawn()
    loss = loss_of(classification="weighted_focal", focal_gamma=gamma, label_smoothing=0.1).float()
    logits = (size * logits.sign()).to(kind).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
        value = loss(logits, targets)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()
    assert logits.grad is not None and logits.grad.isfinite().all() and logits.grad.any()


def test_what_was_used_is_told() -> None:
    loss = loss_of(
        {"a": 30, "b": 10}, classification="weighted_focal", focal_alpha=0.25, background=0.1
    ).record()
    assert loss.train_counts == {"a": 30, "b": 10}
    assert loss.class_weights == pytest.approx({"a": 2 / 3, "b": 2.0})
    assert (loss.background_weight, loss.scale, loss.normalised) == (0.1, (3 / 2) ** 2, True)
    assert loss.formula == (
        "2.25 sum(w b alpha (1 - p)^2 (-log p)) / sum(b alpha); alpha 0.5 with an object, 1.5 without"
    )
