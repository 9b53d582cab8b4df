"""Contrastive denoising: DINO, section 3.4.

Every object of a batch becomes pairs of queries that start from its box and label, with noise. The positive
query of a pair (corners moved by up to half the box's size x `box_noise`) has to find the object again; the
negative one (moved by that to twice that) has to find nothing. A group has one pair of each object. Groups do
not see each other, and the network's own queries see none of them, so that no answer leaks.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from transformers.models.rt_detr.modeling_rt_detr import get_contrastive_denoising_training_group

LOGIT_LIMIT = 6.906754778648554
"""Inverse sigmoid of 0.999: DINO keeps boxes 1e-3 away from the image's edge, transformers 1e-5."""


@dataclass(frozen=True)
class DenoisingQueries:
    """K queries of all groups together, for B images."""

    content: Tensor  # (B, K, D)
    anchor_logits: Tensor  # (B, K, 4)
    attention_mask: Tensor  # (K + Q, K + Q) 0 where a row may see a column, -inf where not
    positives: tuple[Tensor, ...]  # of each image: places of the positive queries, group by group
    groups: int

    @property
    def count(self) -> int:
        return int(self.content.shape[1])

    def matches(self, labels: list[dict[str, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Of each image: places of the positive queries, and the object that each of them comes from."""
        found = []
        for places, label in zip(self.positives, labels, strict=True):
            count = len(label["class_labels"])
            objects = places.new_tensor(range(count)).repeat(self.groups) if count else places.new_zeros(0)
            found.append((places, objects))
        return found


@dataclass(frozen=True)
class Denoising:
    """How much noise, on how many queries. The defaults are those of DINO's published configurations."""

    pairs: int = 100
    """In an image, as near as whole groups come; the image with the most objects of a batch decides."""
    label_noise: float = 0.5
    """Twice the share of labels that are drawn anew."""
    box_noise: float = 0.4

    def draw(
        self, labels: list[dict[str, Tensor]], embed: nn.Module, *, classes: int, queries: int
    ) -> DenoisingQueries | None:
        """Noisy queries for `labels`, from torch's generator, beside so many `queries` of the network's own.

        `embed`: class indices, or `classes` for an empty place -> (..., D). None where there is no object.
        """
        content, boxes, mask, about = get_contrastive_denoising_training_group(  # type: ignore[no-untyped-call]
            targets=labels,
            num_classes=classes,
            num_queries=queries,
            class_embed=embed,
            num_denoising_queries=self.pairs,
            label_noise_ratio=self.label_noise,
            box_noise_scale=self.box_noise,
        )
        if content is None:
            return None
        return DenoisingQueries(
            content,
            boxes.clamp(-LOGIT_LIMIT, LOGIT_LIMIT),
            mask,
            tuple(about["dn_positive_idx"]),
            about["dn_num_group"],
        )
