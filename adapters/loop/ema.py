"""An exponential moving average of the weights (Polyak & Juditsky 1992), which is validated and stored.

The decay is min(decay, (1 + n) / (10 + n)) in update n, as in TensorFlow's ExponentialMovingAverage: else the
random start would dominate the average of a short training. Buffers, such as the statistics of batch norm,
are not averaged.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class ModelEma:
    """The average of one module's parameters."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = [parameter.detach() for parameter in module.parameters()]
        self._average = [parameter.clone() for parameter in self._parameters]

    @torch.no_grad()
    def update(self, number: int) -> None:
        """Add the weights after optimiser step `number`, from 1."""
        decay = min(self._decay, (1 + number) / (10 + number))
        get_ema_multi_avg_fn(decay)(self._average, self._parameters, number)  # type: ignore[no-untyped-call]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the module has the averaged weights; afterwards its own."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def apply(self) -> None:
        """Give the module the averaged weights for good."""
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
