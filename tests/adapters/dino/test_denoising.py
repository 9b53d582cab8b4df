"""Section 3.4 of the paper: who sees whom, how much noise there is, and what is to be found again."""

import pytest
import torch
from torch import nn

from bench.adapters.dino.denoising import Denoising

pytestmark = pytest.mark.slow


def drawn(labels, **settings):
    torch.manual_seed(0)
    embed = nn.Embedding(6, 8, padding_idx=5)
    return Denoising(**settings).draw(labels, embed, classes=5, queries=12)


def corners(boxes: torch.Tensor) -> torch.Tensor:
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def test_groups_see_themselves_alone_and_queries_see_no_answers(labels) -> None:
    found = drawn(labels, pairs=6)  # at most 2 objects in an image: 3 groups of 2 x 2 queries
    assert (found.groups, found.count) == (3, 12)
    sees = found.attention_mask == 0
    group = torch.arange(24) // 4
    for row in range(24):
        for column in range(24):
            if row >= 12:
                assert sees[row, column] == (column >= 12)
            elif column < 12:
                assert sees[row, column] == (group[row] == group[column])


def test_positive_noise_is_below_the_scale_and_negative_noise_above(labels) -> None:
    scale, boxes = 0.4, labels[0]["boxes"]
    found = drawn(labels[:1], pairs=400, box_noise=scale)
    noisy = corners(found.anchor_logits.sigmoid())[0].view(
        found.groups, 2, 2, 4
    )  # group, sign, object, corner
    moved = (noisy - corners(boxes)).abs() / (boxes[:, 2:].repeat(1, 2) / 2)
    positive, negative = moved[:, 0], moved[:, 1]
    assert positive.max() <= scale + 1e-4 and positive.max() > 0.95 * scale
    assert negative.min() >= scale - 1e-4 and negative.max() <= 2 * scale + 1e-4
    assert negative.max() > 1.95 * scale


def test_half_the_label_noise_is_the_share_of_labels_drawn_anew(labels) -> None:
    torch.manual_seed(0)
    one_hot = nn.Embedding.from_pretrained(torch.eye(6), padding_idx=5)
    settings = Denoising(pairs=4000, label_noise=0.5)
    found = settings.draw(labels[:1], one_hot, classes=5, queries=12)
    drawn_labels = found.content[0].argmax(-1).view(-1, 2)  # objects by turns
    other = (drawn_labels != labels[0]["class_labels"]).float().mean().item()
    assert other == pytest.approx(0.25 * 4 / 5, abs=0.02)  # one in five is drawn as it was


def test_positives_are_matched_with_the_objects_they_come_from(labels) -> None:
    found = drawn(labels, pairs=4, box_noise=1e-6, label_noise=0.0)
    for image, (places, objects) in enumerate(found.matches(labels)):
        anchors = found.anchor_logits[image, places].sigmoid()
        assert torch.allclose(anchors, labels[image]["boxes"][objects], atol=1e-4)
        assert len(places) == found.groups * len(labels[image]["boxes"])


def test_without_objects_there_is_nothing_to_denoise() -> None:
    empty = {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}
    assert drawn([empty, empty]) is None
