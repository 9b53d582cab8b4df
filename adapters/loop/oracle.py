"""A network that is never wrong: the gates put it in the place of a family's own to test the adapter."""

from typing import Any

from torch import Tensor, nn


class OracleNetwork(nn.Module):
    """Answers with the targets that it was last given, in the form of the network's outputs.

    A family's subclass implements `forward`: in training it takes the targets in the form in which the
    network's loss takes them, in evaluation it gives the outputs that the network's heads would give for
    them. Attributes that it does not have itself are those of `network`.
    """

    inputs: list[Tensor]
    """Set by `forward`: each image of the batch as the network gets it, (3, h, w), normalised, not padded."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.__dict__["network"] = network  # not a child module: `train()` must not reach it

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["network"], name)
