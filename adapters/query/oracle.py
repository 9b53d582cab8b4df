"""A perfect network with object queries, for the gates."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from bench.adapters.loop.oracle import OracleNetwork

SURE = 20.0
"""A logit beside its negatives: a probability of 1, for a softmax and for a sigmoid per class."""


class OracleQueryNetwork(OracleNetwork):
    """A subclass gives one query per label, which repeats the label, and leaves the others empty."""

    targets: Sequence[dict[str, Tensor]] = ()

    def forward(
        self,
        pixel_values: Tensor,  # (B, 3, H, W)
        pixel_mask: Tensor,  # (B, H, W)
        labels: list[dict[str, Tensor]] | None = None,
        **settings: Any,
    ) -> Any:
        mask = pixel_mask.bool()
        heights, widths = (mask.any(dim).sum(1).tolist() for dim in (2, 1))
        self.inputs = [
            image[:, :height, :width]
            for image, height, width in zip(pixel_values, heights, widths, strict=True)
        ]
        if labels is not None:
            self.targets = labels
        return self.outputs(pixel_values)

    def outputs(self, pixel_values: Tensor) -> Any:
        """The outputs of the network's heads for `targets`."""
        raise NotImplementedError

    def queries(self, usual: int) -> int:
        """As many as the network has, or more where the boxes need them."""
        return max([usual, *(len(target["boxes"]) for target in self.targets)])

    def rows(self) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """Of each image: its row, how many objects it has, their classes (N,) and boxes (N, 4)."""
        for row, target in enumerate(self.targets):
            yield row, len(target["boxes"]), target["class_labels"], target["boxes"]
