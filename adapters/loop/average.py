"""An exponential moving average of the weights (Polyak & Juditsky 1992), which is judged in their place.

The decay starts low and rises to what is asked, min(decay, (1 + n) / (10 + n)) in update n, as
TensorFlow's ExponentialMovingAverage does: else a short training would be judged by its random start.
Buffers, such as the statistics of batch norm, are not averaged: the present ones go with the average.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """The average of one module's parameters, which stay where and what they are."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = [parameter.detach() for parameter in module.parameters()]
        self._average = [parameter.clone() for parameter in self._parameters]

    @torch.no_grad()
    def update(self, number: int) -> None:
        """Take up the weights after optimiser step `number`, from 1."""
        decay = min(self._decay, (1 + number) / (10 + number))
        get_ema_multi_avg_fn(decay)(self._average, self._parameters, number)  # type: ignore[no-untyped-call]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the module has the averaged weights; its own ones come back."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def adopt(self) -> None:
        """The module has the averaged weights from now on."""
        self._exchange()

    def state(self) -> list[Tensor]:
        return self._average

    def load_state(self, tensors: Sequence[Tensor]) -> None:
        for mine, given in zip(self._average, tensors, strict=True):
            mine.copy_(given)

    @torch.no_grad()
    def _exchange(self) -> None:
        for own, averaged in zip(self._parameters, self._average, strict=True):
            kept = own.clone()
            own.copy_(averaged)
            averaged.copy_(kept)
