"""Losses, detections and preprocessing of every architecture, held to transformers' own code."""

import re
from typing import Any

import pytest
import torch
from torch import nn

pytestmark = pytest.mark.slow


def test_the_loss_is_that_of_transformers(name: str, make, batch) -> None:
    """With the published weights, on the same inputs; without denoising, which is random."""
    trainable = make(name).trainable.eval()
    pixels, mask = trainable.inputs(batch)
    architecture = trainable.architecture
    # Deformable DETR's authors weight the class loss by 2, transformers by 1.
    weights = (
        dict(trainable.loss_weights) if architecture.loss_config else {**trainable.loss_weights, "class": 1}
    )
    with torch.no_grad():
        ours = trainable(batch)
        for component, setting in architecture.loss_config.items():
            setattr(trainable.detector.config, setting, architecture.loss_weights[component])
        theirs = trainable.detector(pixel_values=pixels, pixel_mask=mask, labels=trainable.labels(batch))
    total = sum(weights[component] * loss for component, loss in ours.items())
    torch.testing.assert_close(total, theirs.loss.squeeze())
    assert ours["class"] > 0 and ours["box"] > 0 and ours["giou"] > 0


def test_every_term_of_the_loss_is_reported_and_reaches_every_parameter(name: str, make, batch) -> None:
    trainable = make(name).trainable.train()
    torch.manual_seed(0)
    losses = trainable(batch)
    assert set(losses) == set(trainable.loss_weights)
    # D-FINE's layers agree before training, so that none has anything to learn from the last.
    assert all(float(loss.detach()) > 0 for component, loss in losses.items() if "ddf" not in component)
    sum(trainable.loss_weights[component] * loss for component, loss in losses.items()).backward()
    learnt = {key: value for key, value in trainable.named_parameters() if value.requires_grad}
    assert [key for key, parameter in learnt.items() if parameter.grad is None] == []


def test_a_term_that_is_not_known_is_an_error(name: str, make) -> None:
    trainable = make(name).trainable
    with pytest.raises(KeyError, match="loss_mask"):
        trainable._component("loss_mask", {})


def test_a_batch_without_objects_has_a_loss(name: str, make, alone) -> None:
    losses = make(name).trainable.train()(alone(1))
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses["box"] == 0


def test_detections_are_those_of_transformers(name: str, make, batch) -> None:
    from transformers import DeformableDetrImageProcessor, RTDetrImageProcessor

    trainable = make(name).trainable.eval()
    with torch.no_grad():
        ours = trainable.detect(batch)
        pixels, mask = trainable.inputs(batch)
        out = trainable.detector(pixel_values=pixels, pixel_mask=mask)
    sizes = [(height, width) for width, height in trainable.frames_wh(batch)]
    top = trainable.architecture.top
    processor: Any = RTDetrImageProcessor() if top is None else DeformableDetrImageProcessor()
    settings = {} if top is None else {"top_k": top}
    theirs = processor.post_process_object_detection(out, threshold=0.0, target_sizes=sizes, **settings)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.boxes_xyxy, reference["boxes"])
        torch.testing.assert_close(mine.scores, reference["scores"])
        assert torch.equal(mine.labels, reference["labels"])


def test_what_is_found_in_an_image_does_not_depend_on_its_batch(name: str, make, batch, alone) -> None:
    """Where the network sees the padding; the others mask it, as DETR does."""
    trainable = make(name).trainable.eval()
    if not trainable.architecture.square:
        pytest.skip("its padding is masked")
    with torch.no_grad():
        together = trainable.detect(batch)
        apart = [trainable.detect(alone(row))[0] for row in range(2)]
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one.scores, other.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.boxes_xyxy, other.boxes_xyxy, rtol=1e-3, atol=1e-2)


def test_every_parameter_belongs_to_one_part(name: str, make) -> None:
    trainable = make(name).trainable
    owners: dict[int, list[str]] = {}
    for part, modules in trainable.parts.items():
        for parameter in {id(p) for module in modules for p in module.parameters()}:
            owners.setdefault(parameter, []).append(part)
    learnt = {key: value for key, value in trainable.named_parameters() if value.requires_grad}
    found = {key: owners.get(id(value), []) for key, value in learnt.items()}
    found.pop("detector.model.level_embed", None)  # a parameter of the network itself; parts are modules
    assert {key: parts for key, parts in found.items() if len(parts) != 1} == {}


def test_random_weights_have_the_scale_of_the_papers_code(name: str, make) -> None:
    """transformers' own are several times too small: with them RT-DETR had an AP of 0.03 instead of 0.67."""
    trainable = make(name).trainable
    norms = [module for module in trainable.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(torch.equal(norm.weight, torch.ones_like(norm.weight)) for norm in norms)
    checked = 0
    for key, module in trainable.detector.named_modules():
        plain = isinstance(module, nn.Linear | nn.Conv2d) and float(module.weight.detach().std()) > 0
        if plain and not key.endswith("sampling_offsets"):
            expected = (1 / (3 * module.weight[0].numel())) ** 0.5  # torch's own; Xavier's is larger
            assert float(module.weight.detach().std()) > 0.7 * expected, key
            checked += 1
    assert checked > 20
    heads = trainable.architecture.class_heads
    found = {key: module for key, module in trainable.detector.named_modules() if re.fullmatch(heads, key)}
    scores = torch.cat([head.bias for head in found.values()]).sigmoid()
    torch.testing.assert_close(scores, torch.full_like(scores, 0.01))


@pytest.mark.parametrize(
    ("family", "embedding"),
    [("conditional_detr", "query_position_embeddings"), ("dab_detr", "query_refpoint_embeddings")],
)
def test_reference_points_start_spread_over_the_image(family: str, embedding: str, make) -> None:
    """transformers' own have a standard deviation of 0.02: all in the middle."""
    weight = getattr(make(family).trainable.detector.model, embedding).weight.detach()
    assert 0.7 < float(weight.std()) < 1.3


def test_the_input_is_normalised_as_declared_and_padding_is_zero(name: str, make, batch) -> None:
    trainable = make(name).trainable
    pixels, mask = trainable.inputs(batch)
    assert mask.sum((1, 2)).tolist() == [64 * 40, 40 * 48]
    assert pixels[0, :, 40:, :].abs().max() == 0 and pixels[1, :, :, 40:].abs().max() == 0
    unit = name in ("rt_detr", "rt_detr_v2", "d_fine")  # the others have ImageNet's
    mean, std = ((0.0,), (1.0,)) if unit else ((0.485,), (0.229,))
    assert (trainable.normalisation.mean[0], trainable.normalisation.std[0]) == (mean[0], std[0])
    red = (batch.pixels[0, 0, 0, 0].float() / 255 - mean[0]) / std[0]
    torch.testing.assert_close(pixels[0, 0, 0, 0], red)
