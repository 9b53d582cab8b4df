"""What detectors with object queries share beside their networks: preprocessing, box formats, backbone.

B images, N boxes in an image, Q queries. The networks' boxes are cx, cy, w, h, divided by the size of each
image without its padding (`frames_wh`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.adapters.loop.trainable import Batch, Target, Trainable

_LOW_LAYERS = ("model.embedder.", "model.encoder.stages.0.")
"""Of a ResNet: not trained where it is pretrained (facebookresearch/detr, backbone.py)."""


class QueryTrainable(Trainable):
    """A Trainable around a network with a ResNet, which is given pixels, a mask and labels."""

    mean: Tensor  # (1, 3, 1, 1), as `std` in 0..255
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in self.normalisation._asdict().items():
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) * 255, persistent=False)

    @property
    def network(self) -> nn.Module:
        """The child whose state_dict is the checkpoint."""
        raise NotImplementedError

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        return self.network.load_state_dict(state_dict, strict=strict, assign=assign)

    def prepare_backbone(self, norm: str | None, *, whole: bool) -> None:
        """Set what of the backbone learns, after construction.

        Args:
            norm: with 'batch', its frozen batch norms become trainable: without statistics a frozen one is
                the identity.
            whole: all of it is trained, else all but its stem and first stage.
        """
        if norm == "batch":
            _unfreeze_norms(self.backbone)
        # Convolutions on a CPU are a third quicker so; elsewhere it makes no difference.
        self.to(memory_format=torch.channels_last)
        # transformers decides by names that only timm's backbones have, and so freezes all of ours.
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(whole or not name.startswith(_LOW_LAYERS))

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Normalised pixels (B, 3, H, W), 0 in the padding, and the mask (B, H, W) of the images."""
        height, width = batch.pixels.shape[-2:]
        device = batch.pixels.device
        sizes = torch.tensor(batch.sizes_wh, device=device)
        columns = torch.arange(width, device=device)[None, None, :] < sizes[:, 0, None, None]
        rows = torch.arange(height, device=device)[None, :, None] < sizes[:, 1, None, None]
        mask = columns & rows
        pixels = (batch.pixels.float() - self.mean) / self.std
        return (pixels * mask[:, None]).contiguous(memory_format=torch.channels_last), mask

    def frames_wh(self, batch: Batch) -> tuple[tuple[int, int], ...]:
        """What the network's boxes are divided by: the sizes of the images without padding."""
        return batch.sizes_wh

    def labels(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Of each image, as transformers' losses take them: class_labels (N,) and boxes (N, 4)."""
        return [
            {"class_labels": target.labels, "boxes": to_cxcywh_norm(target, frame_wh)}
            for target, frame_wh in zip(batch.targets, self.frames_wh(batch), strict=True)
        ]


def to_cxcywh_norm(target: Target, frame_wh: tuple[int, int]) -> Tensor:
    """Boxes (N, 4) xyxy in pixels -> centre and size, divided by those of the frame."""
    boxes: Any = target.boxes_xyxy / torch.tensor(frame_wh * 2, device=target.boxes_xyxy.device)
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)


def to_xyxy(boxes_cxcywh_norm: Tensor, frames_wh: Sequence[tuple[int, int]]) -> Tensor:
    """Boxes (B, Q, 4) of the network -> xyxy in pixels of its input."""
    sizes = torch.tensor(frames_wh, dtype=torch.float32, device=boxes_cxcywh_norm.device)  # (B, 2)
    centre, size = boxes_cxcywh_norm[..., :2], boxes_cxcywh_norm[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1) * sizes.repeat(1, 2)[:, None]


def _unfreeze_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child).__name__.endswith(
            "FrozenBatchNorm2d"
        ):  # each architecture of transformers has its own
            channels: Any = child.weight
            setattr(module, name, nn.BatchNorm2d(len(channels)))
        else:
            _unfreeze_norms(child)
