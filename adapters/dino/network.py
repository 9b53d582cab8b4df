"""DINO's network on the parts of transformers' Deformable DETR.

Zhang et al. 2022, DINO: DETR with Improved DeNoising Anchor Boxes (arXiv:2203.03605). Backbone, projections,
deformable encoder and decoder layers are transformers'; what DINO adds stands here: mixed query selection
(section 3.5), look forward twice (section 3.6) and, in `denoising.py`, contrastive denoising (section 3.4).

B images, S positions of all feature levels, Q queries (denoising queries first), C classes, D channels, L
decoder layers. Boxes are cx, cy, w, h as shares of the unpadded image, in 0..1; the logit of a box is its
inverse sigmoid.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import DeformableDetrConfig
from transformers.models.deformable_detr.modeling_deformable_detr import (
    DeformableDetrMLPPredictionHead,
    DeformableDetrModel,
)

from bench.adapters.dino.denoising import Denoising, DenoisingQueries
from bench.adapters.dino.memory import Memory, encode, sines

QuerySelection = Literal["mixed", "pure", "static"]
"""Where the queries start (figure 5). static: box and content are learnt (DETR). pure: both come from the
encoder's best positions (two-stage Deformable DETR). mixed: boxes from there, contents learnt (DINO)."""

LookForward = Literal["once", "twice"]

EPS = 1e-3
"""Of the inverse sigmoid, as DINO's code has it; transformers' has 1e-5."""

ANCHOR_TEMPERATURE = 10000
"""Of the decoder's encoding of anchor boxes."""

PRIOR_LOGIT = -math.log(99)
"""Bias of the class heads before training: a score of 0.01 for every class (Lin et al. 2017, section 4.1)."""


@dataclass(frozen=True)
class DinoOutputs:
    """What the heads say, layer by layer; the denoising queries stand before the others."""

    logits: Tensor  # (L, B, Q, C)
    boxes: Tensor  # (L, B, Q, 4)
    encoder_logits: Tensor | None  # (B, queries, C); None with static queries
    encoder_boxes: Tensor | None  # (B, queries, 4)
    denoising: DenoisingQueries | None


class DinoNetwork(nn.Module):
    """`model` is transformers'; all else is DINO's own. The decoder's layers share one pair of heads."""

    def __init__(
        self,
        config: DeformableDetrConfig,
        *,
        denoising: Denoising | None,
        query_selection: QuerySelection = "mixed",
        look_forward: LookForward = "twice",
    ) -> None:
        """Of `config`, `num_queries` and `num_labels` count; its own two-stage settings must be off."""
        super().__init__()
        width, classes = int(config.d_model), int(config.num_labels or 0)
        self.queries = int(config.num_queries)
        self.query_selection = query_selection
        self.look_forward = look_forward
        self.denoising = denoising
        self.model: Any = DeformableDetrModel(config)
        for name in ("query_position_embeddings", "reference_points"):  # DINO has others in their place
            delattr(self.model, name)
        self.class_embed = nn.Linear(width, classes)
        self.bbox_embed = _mlp(width, width, 4, 3)
        self.ref_point_head = _mlp(2 * width, width, width, 2)
        self.norm = nn.LayerNorm(width)
        if query_selection != "pure":
            self.tgt_embed = nn.Embedding(self.queries, width)
        if query_selection == "static":
            self.refpoint_embed = nn.Embedding(self.queries, 4)
        else:
            self.enc_output = nn.Linear(width, width)
            self.enc_output_norm = nn.LayerNorm(width)
            self.enc_class = nn.Linear(width, classes)
            self.enc_box = _mlp(width, width, 4, 3)
        if denoising is not None:
            self.label_enc = nn.Embedding(classes + 1, width, padding_idx=classes)
        self._initialise()

    def _initialise(self) -> None:
        """As DINO's code does: Xavier in the transformer, zeros at the end of box heads, a low prior score.

        transformers draws linear layers from N(0, 0.02), several times too small for their width.
        """
        for part in (self.model.encoder, self.model.decoder):
            for name, parameter in part.named_parameters():
                if parameter.dim() > 1 and "sampling_offsets" not in name and "attention_weights" not in name:
                    nn.init.xavier_uniform_(parameter)
        for convolution, _ in self.model.input_proj:
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)
        two_stage = self.query_selection != "static"
        for head in (self.class_embed, *([self.enc_class] if two_stage else [])):
            nn.init.constant_(head.bias, PRIOR_LOGIT)
        for head in (self.bbox_embed, *([self.enc_box] if two_stage else [])):
            nn.init.zeros_(head.layers[-1].weight)
            nn.init.zeros_(head.layers[-1].bias)

    def forward(
        self,
        pixel_values: Tensor,  # (B, 3, H, W) normalised
        pixel_mask: Tensor,  # (B, H, W) true where the image is
        labels: list[dict[str, Tensor]] | None = None,  # class_labels (N,) and boxes (N, 4) of each image
    ) -> DinoOutputs:
        """With `labels`, in training mode, denoising queries are added to the network's own."""
        memory = encode(self.model, pixel_values, pixel_mask)
        content, anchor_logits, encoder_logits, encoder_boxes = self._queries(memory)
        denoising, mask = None, None
        if self.denoising is not None and labels is not None and self.training:
            denoising = self.denoising.draw(
                labels, self.label_enc, classes=self.class_embed.out_features, queries=content.shape[1]
            )
            if denoising is None:  # no object in the batch: a gradient of zero, not none at all
                content = content + 0 * self.label_enc.weight.sum()
        if denoising is not None:
            content = torch.cat([denoising.content, content], dim=1)
            anchor_logits = torch.cat([denoising.anchor_logits, anchor_logits], dim=1)
            mask = denoising.attention_mask.to(content.dtype)
        logits, boxes = self._decode(memory, content, anchor_logits.sigmoid(), mask)
        return DinoOutputs(logits, boxes, encoder_logits, encoder_boxes, denoising)

    def _queries(self, memory: Memory) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Contents (B, Q, D) and box logits (B, Q, 4) to start from, without gradient where the encoder gave
        them; the encoder's own class logits and boxes at the same positions, with gradient."""
        images = len(memory.states)
        if self.query_selection == "static":
            contents, boxes = self.tgt_embed.weight, self.refpoint_embed.weight
            return contents.expand(images, -1, -1), boxes.expand(images, -1, -1), None, None
        states, proposals = memory.proposals()
        states = self.enc_output_norm(self.enc_output(states))  # (B, S, D)
        scores = self.enc_class(states).max(-1).values.masked_fill(proposals.isinf().any(-1), -torch.inf)
        best = scores.topk(min(self.queries, scores.shape[1]), dim=1).indices[..., None]  # (B, Q, 1)
        states = states.gather(1, best.expand(-1, -1, states.shape[-1]))
        box_logits = self.enc_box(states) + proposals.gather(1, best.expand(-1, -1, 4))
        if self.query_selection == "mixed":
            content = self.tgt_embed.weight[: best.shape[1]].expand(images, -1, -1)
        else:
            content = states.detach()
        return content, box_logits.detach(), self.enc_class(states), box_logits.sigmoid()

    def _decode(
        self, memory: Memory, states: Tensor, anchors: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Class logits and boxes of every layer, (L, B, Q, C) and (L, B, Q, 4)."""
        logits, boxes = [], []
        before = anchors  # what this layer's boxes refine: the anchors, but with their gradient
        ratios = memory.valid_ratios.repeat(1, 1, 2)[:, None]  # (B, 1, levels, 4)
        for layer in self.model.decoder.layers:
            reference = anchors[:, :, None] * ratios  # (B, Q, levels, 4)
            states = layer(
                states,
                self.ref_point_head(anchor_encoding(reference[:, :, 0], states.shape[-1] // 2)),
                reference,
                memory.shapes,
                memory.shapes_list,
                memory.level_start,
                memory.states,
                memory.mask,
                attention_mask=mask,
            )
            normed = self.norm(states)
            logits.append(self.class_embed(normed))
            boxes.append((self.bbox_embed(normed) + inverse_sigmoid(before)).sigmoid())
            refined = (self.bbox_embed(states) + inverse_sigmoid(anchors)).sigmoid()
            anchors = refined.detach()
            # Looking forward twice, the next layer's box loss reaches this refinement too (equation 3).
            before = refined if self.look_forward == "twice" else anchors
        return torch.stack(logits), torch.stack(boxes)


def anchor_encoding(boxes: Tensor, channels: int) -> Tensor:
    """(B, Q, 4) cx, cy, w, h -> (B, Q, 4 x channels): sines of y, x, w, h, in this order."""
    cx, cy, w, h = boxes.unbind(-1)
    return torch.cat([sines(one, channels, ANCHOR_TEMPERATURE) for one in (cy, cx, w, h)], -1)


def inverse_sigmoid(shares: Tensor) -> Tensor:
    """Of values in 0..1, held EPS away from both ends."""
    return torch.log(shares.clamp(min=EPS) / (1 - shares).clamp(min=EPS))


def _mlp(inputs: int, hidden: int, outputs: int, layers: int) -> Any:
    return DeformableDetrMLPPredictionHead(inputs, hidden, outputs, layers)  # type: ignore[no-untyped-call]
