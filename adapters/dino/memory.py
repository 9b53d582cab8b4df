"""What DINO's encoder leaves to its decoder, and the boxes that it proposes.

B images, S positions of all feature levels together, D channels.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

POSITION_TEMPERATURE = 20
"""Of the encoder's sine encoding: `pe_temperatureH` of DINO's published configurations."""

PROPOSAL_SIDE = 0.05
"""Of the finest level, as a share of the image; twice as much at each next level (Zhu et al. 2021, A.4)."""


@dataclass(frozen=True)
class Memory:
    """The encoder's states with all that a deformable decoder layer asks for beside them."""

    states: Tensor  # (B, S, D)
    mask: Tensor  # (B, S) true where the image is
    shapes: Tensor  # (levels, 2) height and width
    shapes_list: list[tuple[int, int]]
    level_start: Tensor  # (levels,)
    valid_ratios: Tensor  # (B, levels, 2) share of width and height that is image

    def proposals(self) -> tuple[Tensor, Tensor]:
        """States (B, S, D), zero where nothing is proposed, and box logits (B, S, 4), infinite there.

        A position proposes a square around its centre, unless that lies in the padding or within 0.01 of the
        image's edge.
        """
        levels, start = [], 0
        for level, (height, width) in enumerate(self.shapes_list):
            mask = self.mask[:, start : start + height * width].view(-1, height, width)
            size_wh = torch.stack([mask[:, 0].sum(1), mask[:, :, 0].sum(1)], -1).clamp(min=1)  # (B, 2)
            rows = torch.arange(height, device=mask.device)
            columns = torch.arange(width, device=mask.device)
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            centre = (torch.stack([x, y], -1) + 0.5) / size_wh[:, None, None]  # (B, height, width, 2)
            side = torch.full_like(centre, PROPOSAL_SIDE * 2.0**level)
            levels.append(torch.cat([centre, side], -1).flatten(1, 2))
            start += height * width
        boxes = torch.cat(levels, 1).to(self.states)  # (B, S, 4)
        proposes = (((boxes > 0.01) & (boxes < 0.99)).all(-1) & self.mask)[..., None]
        return self.states * proposes, torch.log(boxes / (1 - boxes)).masked_fill(~proposes, torch.inf)


def encode(model: Any, pixel_values: Tensor, pixel_mask: Tensor) -> Memory:
    """The first half of transformers' `DeformableDetrModel.forward`, with DINO's position encoding."""
    features = model.backbone(pixel_values, pixel_mask)
    sources: list[Tensor] = []
    masks: list[Tensor] = []
    for level, projection in enumerate(model.input_proj):
        if level < len(features):
            source, mask = projection(features[level][0]), features[level][1]
        else:  # lower resolutions, by convolutions with stride 2
            source = projection(features[-1][0] if level == len(features) else sources[-1])
            mask = nn.functional.interpolate(pixel_mask[None].float(), size=source.shape[-2:])[0]
        sources.append(source)
        masks.append(mask.bool())
    positions = [
        position_encoding(mask, source.shape[1] // 2).to(source.dtype) + embedding
        for mask, source, embedding in zip(masks, sources, model.level_embed[:, :, None, None], strict=True)
    ]
    shapes_list = [(int(source.shape[-2]), int(source.shape[-1])) for source in sources]
    shapes = torch.tensor(shapes_list, device=pixel_values.device)
    level_start = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
    valid_ratios = torch.stack([model.get_valid_ratio(mask, dtype=pixel_values.dtype) for mask in masks], 1)
    flat_mask = torch.cat([mask.flatten(1) for mask in masks], 1)
    states = model.encoder(
        inputs_embeds=_flat(sources),
        attention_mask=flat_mask,
        spatial_position_embeddings=_flat(positions),
        spatial_shapes=shapes,
        spatial_shapes_list=shapes_list,
        level_start_index=level_start,
        valid_ratios=valid_ratios,
    ).last_hidden_state
    return Memory(states, flat_mask, shapes, shapes_list, level_start, valid_ratios)


def position_encoding(mask: Tensor, channels: int) -> Tensor:
    """(B, H, W) -> (B, 2 x channels, H, W): sines of each position's share of the image, of rows first.

    Unlike transformers' it has no offset of half a cell, and it has DINO's temperature.
    """
    y, x = mask.float().cumsum(1), mask.float().cumsum(2)
    y, x = y / (y[:, -1:] + 1e-6), x / (x[:, :, -1:] + 1e-6)
    return torch.cat([sines(one, channels, POSITION_TEMPERATURE) for one in (y, x)], -1).permute(0, 3, 1, 2)


def sines(values: Tensor, channels: int, temperature: float) -> Tensor:
    """(...) in 0..1 -> (..., channels): sine and cosine by turns, wavelengths 1 to nearly `temperature`."""
    place = torch.arange(channels, dtype=torch.float32, device=values.device)
    angle = values[..., None] * 2 * math.pi / temperature ** (2 * (place // 2) / channels)
    return torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], -1).flatten(-2)


def _flat(levels: list[Tensor]) -> Tensor:
    """(B, D, H, W) of each level -> (B, S, D)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)
