"""Data-parallel training: several processes train one model, each on its own device. Imports torch.

Every rank has the same weights and a share of each batch. After the backward passes of an optimiser step the
gradients are summed over all ranks, once, however many batches the step has; then every rank takes the same
step. Nothing wraps the network: the frozen parts may change, a rank without images of a small last batch adds
nothing, and the denominators of the losses make the mean (`BatchWeights`). DistributedDataParallel would save
the time of that one sum, which it overlaps with the backward pass.

Batch norm takes its statistics from a rank's own share, as in ultralytics and torchvision; those of rank 0
are stored.
"""

import math
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, distributed, nn

from bench.detector import World

TIMEOUT = timedelta(hours=12)
"""How long a rank waits for another: only rank 0 validates. A rank that dies is noticed by its cell."""

Value = TypeVar("Value")


class Ranks:
    """One of the processes that train a model. In a single one every method returns its own argument."""

    def __init__(self, world: World, device: str) -> None:
        self.number = world.rank
        self.size = world.size
        self._rendezvous = world.rendezvous
        self._device = torch.device(device)

    def __enter__(self) -> Self:
        """Join the process group."""
        if self.size > 1:
            on_gpu = self._device.type == "cuda"
            if on_gpu:
                torch.cuda.set_device(self._device)
            distributed.init_process_group(
                "nccl" if on_gpu else "gloo",
                init_method=f"file://{self._rendezvous}",
                rank=self.number,
                world_size=self.size,
                timeout=TIMEOUT,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.size > 1 and (kind is None or self._device.type == "cpu"):  # NCCL would wait for the others
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this is the rank that validates, reports and writes."""
        return self.number == 0

    def rows(self, count: int) -> range:
        """Which of `count` images are this rank's; rank 0 always has at least one."""
        return range(
            math.ceil(count * self.number / self.size), math.ceil(count * (self.number + 1) / self.size)
        )

    def broadcast(self, value: Value) -> Value:
        """The value of rank 0."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def all_gather(self, value: Value) -> list[Value]:
        """The values of all ranks, in order."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def all_reduce(self, numbers: Tensor) -> Tensor:
        """The sum over all ranks, element by element; on the CPU."""
        if self.size == 1:
            return numbers
        there = numbers.to(self._device)
        distributed.all_reduce(there)
        return there.cpu()

    def broadcast_parameters(self, module: nn.Module) -> None:
        """Give every rank the parameters and buffers of rank 0."""
        if self.size > 1:
            with torch.no_grad():
                for tensor in (*module.parameters(), *module.buffers()):
                    dense = tensor.contiguous()
                    distributed.broadcast(dense, src=0)
                    tensor.copy_(dense)

    @torch.no_grad()
    def all_reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Every rank's gradients become the sum over all; where no rank has one, it stays None."""
        if self.size == 1:
            return
        learning = [parameter for parameter in parameters if parameter.requires_grad]
        if not learning:
            return
        present = [float(parameter.grad is not None) for parameter in learning]
        parts = [
            (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).reshape(-1)
            for parameter in learning
        ]
        flat = torch.cat([*parts, parts[0].new_tensor(present)])
        distributed.all_reduce(flat)
        *sums, anyone = torch.split(flat, [*(len(part) for part in parts), len(present)])
        for parameter, added, some in zip(learning, sums, anyone.tolist(), strict=True):
            if some and parameter.grad is not None:
                parameter.grad.copy_(added.view_as(parameter))
            elif some:
                parameter.grad = torch.empty_like(parameter).copy_(added.view_as(parameter))


SINGLE_RANK = Ranks(World(), "cpu")
"""A training in a single process."""
