"""The class loss against a slow one of its formula; test_loss_in_training.py has the real networks."""

import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.adapters.losses.weights import ExampleWeights
from bench.adapters.yolo.loss import ClassLoss, put_into
from bench.loss import LossConfig

COUNTS = {"often": 80, "seldom": 15, "rare": 5}

WORDS: dict[str, dict[str, Any]] = {
    "focal": {"classification": "focal"},
    "focal, alpha": {"classification": "focal", "focal_gamma": 1.5, "focal_alpha": 0.25},
    "focal 0": {"classification": "focal", "focal_gamma": 0.0, "focal_alpha": 0.5},
    "weighted": {"classification": "weighted"},
    "weighted, background": {"classification": "weighted", "background_weight": 0.1},
    "weighted focal": {
        "classification": "weighted_focal", "class_weights": "inverse_sqrt",
        "focal_gamma": 0.5, "focal_alpha": 0.75, "background_weight": 0.5,
    },
    "background": {"background_weight": 0.2},
    "textbook": {
        "classification": "weighted_focal", "normalise": False, "focal_alpha": 0.25, "background_weight": 0.5,
    },
}  # fmt: skip


def made(counts: dict[str, int] = COUNTS, scale: float | None = None, **settings: Any) -> ClassLoss:
    loss = LossConfig(**settings)
    background = 1.0 if loss.background_weight is None else loss.background_weight
    return ClassLoss(ExampleWeights.of(loss, counts, background=background), scale)


def drawn(classes: int = 3, seed: int = 0, labels: Sequence[int] = (0, 1, 2, 0)) -> tuple[Any, Any]:
    """(2, 9, C): logits, and targets of which each row has one class or none."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 2, size=(2, 9, classes))
    targets = np.zeros_like(logits)
    for row, label in enumerate(labels):
        targets[row % 2, row, label] = random.uniform(0.1, 1)
    return torch.from_numpy(logits), torch.from_numpy(targets)


def slow(logits: Any, targets: Any, settings: dict[str, Any]) -> np.ndarray:
    """scale * row * phi * l, an anchor and a class at a time, from the words alone."""
    loss = LossConfig(**settings)
    counts = list(COUNTS.values())
    raw = [sum(counts) / (len(counts) * n) for n in counts]
    if loss.class_weights == "inverse_sqrt":
        raw = [math.sqrt(weight) for weight in raw]
    mean = sum(n * weight for n, weight in zip(counts, raw, strict=True)) / sum(counts)
    double = 1.0
    if loss.normalise:
        raw, double = [weight / mean for weight in raw], 2.0
    weights = raw if loss.weighted else [1.0] * len(raw)
    background = 1.0 if loss.background_weight is None else loss.background_weight
    alpha = loss.focal_alpha
    there, none = (1.0, 1.0) if alpha is None else (double * alpha, double * (1 - alpha))
    found = np.zeros(logits.shape)
    plain = scaled = 0.0
    for place in np.ndindex(*logits.shape):
        z, t = float(logits[place]), float(targets[place])
        row = targets[place[:2]].tolist()
        p = 1 / (1 + math.exp(-z))
        l_ = -t * math.log(p) - (1 - t) * math.log(1 - p)
        phi = (1 - p / t if p < t else (p - t) / (1 - t)) ** loss.gamma
        base = there if sum(row) > 0 else none * background
        weight = weights[row.index(max(row))] if sum(row) > 0 else 1.0
        found[place] = weight * base * phi * l_
        plain, scaled = plain + l_, scaled + base * phi * l_
    same_size = loss.gamma == 0 and (there, none, background) == (1, 1, 1)
    return found if same_size or not loss.normalise else found * plain / scaled


@pytest.mark.parametrize("name", WORDS)
def test_it_is_the_formula(name: str) -> None:
    logits, targets = drawn()
    found = made(**WORDS[name])(logits, targets)
    np.testing.assert_allclose(found.numpy(), slow(logits, targets, WORDS[name]), rtol=1e-6, atol=1e-12)


def test_without_focus_and_weights_it_is_plain_cross_entropy_to_the_bit() -> None:
    logits, targets = (one.float() for one in drawn())
    plain = torch.nn.BCEWithLogitsLoss(reduction="none")(logits, targets)
    assert torch.equal(made(classification="focal", focal_gamma=0.0)(logits, targets), plain)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORDS)
def test_its_gradient_is_that_of_finite_differences(name: str) -> None:
    logits, targets = drawn()
    loss = made(scale=3.0, **WORDS[name])
    assert torch.autograd.gradcheck(lambda z: loss(z, targets).sum(), (logits.requires_grad_(),), atol=1e-5)


def gradient(loss: ClassLoss, logits: Any, targets: Any) -> Any:
    logits = logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(logits, targets).sum(), logits)
    return found


@pytest.mark.parametrize("name", WORDS)
def test_other_places_of_the_classes_are_other_places_of_the_gradient(name: str) -> None:
    logits, targets = drawn()
    order = [2, 0, 1]
    counts = {list(COUNTS)[place]: list(COUNTS.values())[place] for place in order}
    one = gradient(made(**WORDS[name]), logits, targets)
    other = gradient(made(counts, **WORDS[name]), logits[..., order], targets[..., order])
    torch.testing.assert_close(one[..., order], other)


def test_the_rarer_the_class_the_larger_its_gradient() -> None:
    logits = torch.full((1, 3, 3), -2.0, dtype=torch.float64)
    targets = torch.eye(3, dtype=torch.float64)[None]
    for settings in (WORDS["weighted"], WORDS["weighted focal"]):
        sizes = gradient(made(**settings), logits, targets).abs().sum(-1)[0]
        assert sizes[0] < sizes[1] < sizes[2]
    equal = gradient(made(**WORDS["focal"]), logits, targets).abs().sum(-1)[0]
    assert equal.max() == pytest.approx(equal.min())


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_number_stays_one_in_half_precision(name: str, dtype: torch.dtype) -> None:
    logits = torch.tensor([[[-6e4, 0.0, 6e4], [6e4, -6e4, 30.0], [-30.0, 8.0, 1e-4]]], dtype=dtype)
    targets = torch.tensor([[[1.0, 0, 0], [0, 0.5, 0], [0, 0, 0]]], dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype != torch.float32):
        found = made(**WORDS[name])(logits, targets)
        assert found.dtype == torch.float32 and bool(found.isfinite().all())
        assert bool(gradient(made(**WORDS[name]), logits, targets).isfinite().all())


def test_the_scale_is_of_the_first_batch_with_an_object_and_of_no_validation() -> None:
    logits, targets = drawn()
    loss = made(**WORDS["focal"])
    empty = loss(logits, torch.zeros_like(targets))
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(targets))
    assert float(empty.mean()) == pytest.approx(float(plain))  # as large as the standard, and nothing kept
    with torch.no_grad():
        loss(logits, targets)
    assert loss.scale is None
    loss(logits, targets)
    first = loss.scale
    assert first is not None and first > 1
    loss(logits * 2, targets)
    assert loss.scale == first
    assert made(**WORDS["weighted"]).scale == made(**WORDS["textbook"]).scale == 1
    assert made(scale=7.0, **WORDS["focal"]).scale == 7


def test_processes_that_train_together_have_the_scale_of_the_whole_batch() -> None:
    """The second has no object: it waits for no batch of its own."""
    logits, targets = drawn()
    targets = torch.cat([targets, torch.zeros_like(targets)])
    logits = torch.cat([logits, 2 * logits])
    whole = made(**WORDS["focal"])
    whole(logits, targets)
    both, found, meet = [torch.empty(0)] * 2, [made(**WORDS["focal"]) for _ in range(2)], Barrier(2)

    def share(rank: int) -> None:
        def total(sums: torch.Tensor) -> torch.Tensor:
            both[rank] = sums
            meet.wait(10)
            return both[0] + both[1]

        found[rank] = ClassLoss(found[rank].weights, total=total)
        half = slice(rank * len(logits) // 2, (rank + 1) * len(logits) // 2)
        found[rank](logits[half], targets[half])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(share, range(2)))
    assert found[0].scale == found[1].scale == pytest.approx(whole.scale)


def test_it_tells_the_log_and_the_record_what_it_used(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        loss = made(scale=8.0, **WORDS["weighted focal"])
    record = loss.record()
    assert record.formula in caplog.text
    assert f"rare {record.class_weights['rare']:.4g}" in caplog.text
    assert record.formula.startswith("8 sum(w b alpha (|t - p| / m)^0.5 BCE(p, t)) / sum(t)")
    assert record.train_counts == COUNTS
    assert record.class_weights["rare"] == pytest.approx(4 * record.class_weights["often"])
    assert (record.background_weight, record.scale, record.normalised) == (0.5, 8.0, True)


def test_it_takes_the_place_of_bce_in_every_head() -> None:
    loss = made(**WORDS["focal"])
    heads = [SimpleNamespace(bce=None, device=torch.device("cpu")) for _ in range(3)]
    put_into(heads[0], loss)
    put_into(SimpleNamespace(one2many=heads[1], one2one=heads[2]), loss)
    assert [head.bce for head in heads] == [loss] * 3
