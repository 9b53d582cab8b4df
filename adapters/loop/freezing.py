"""The frozen parts of a network."""

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from bench.adapters.loop.trainable import Trainable
from bench.adapters.training.stages import ALL_BUT_HEAD, HEAD
from bench.recipe import Part


class Freezing:
    """Freezes and unfreezes the parts of one network."""

    def __init__(self, trainable: Trainable) -> None:
        self._trainable = trainable
        self._learning = [parameter for parameter in trainable.parameters() if parameter.requires_grad]
        self._frozen: frozenset[Part] = frozenset()

    def freeze(self, parts: Collection[Part]) -> None:
        """Exactly these of the network's parts get no gradient; what never had one keeps none."""
        self._frozen = frozenset(parts)
        frozen = {id(parameter) for module in self._whole() for parameter in module.parameters()}
        if ALL_BUT_HEAD in self._frozen:
            head = {id(parameter) for module in self._head() for parameter in module.parameters()}
            frozen |= {id(parameter) for parameter in self._learning} - head
        for parameter in self._learning:
            parameter.requires_grad_(id(parameter) not in frozen)

    def train_mode(self) -> None:
        """Training mode; frozen parts stay in evaluation mode, with fixed norm statistics and no dropout."""
        self._trainable.train()
        for module in self._whole():
            module.eval()
        if ALL_BUT_HEAD in self._frozen:
            # Outside the named parts only these: a network may read its own flag to decide on losses.
            awake = {id(module) for part in self._head() for module in part.modules()}
            for module in self._trainable.modules():
                if isinstance(module, _NormBase | _DropoutNd) and id(module) not in awake:
                    module.eval()

    def end(self) -> None:
        """Unfreeze all that was not frozen at first."""
        for parameter in self._learning:
            parameter.requires_grad_(True)

    def _whole(self) -> list[nn.Module]:
        """Modules that are frozen whole."""
        everything = ALL_BUT_HEAD in self._frozen
        return [
            module
            for name, modules in self._trainable.parts.items()
            if name in self._frozen or (everything and name != HEAD)
            for module in modules
        ]

    def _head(self) -> list[nn.Module]:
        return list(self._trainable.parts[HEAD])
