"""What rests while the rest of a network learns."""

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from bench.adapters.loop.stages import ALL_BUT_HEAD, HEAD
from bench.adapters.loop.trainable import Trainable
from bench.recipe import Part


class Freezing:
    """The parts of one network that can be frozen, and which are."""

    def __init__(self, trainable: Trainable) -> None:
        self._trainable = trainable
        self._learning = [parameter for parameter in trainable.parameters() if parameter.requires_grad]
        self._frozen: frozenset[Part] = frozenset()

    def freeze(self, parts: Collection[Part]) -> None:
        """These and no others, of what learned at first, get no gradient. `parts` are some that it has."""
        self._frozen = frozenset(parts)
        resting = {id(parameter) for module in self._whole() for parameter in module.parameters()}
        if ALL_BUT_HEAD in self._frozen:
            head = {id(parameter) for module in self._head() for parameter in module.parameters()}
            resting |= {id(parameter) for parameter in self._learning} - head
        for parameter in self._learning:
            parameter.requires_grad_(id(parameter) not in resting)

    def train_mode(self) -> None:
        """Training mode, but where nothing learns: norm statistics and dropout rest there too."""
        self._trainable.train()
        for module in self._whole():
            module.eval()
        if ALL_BUT_HEAD in self._frozen:
            # Between the named parts only these: a network may ask its own flag whether to return losses.
            awake = {id(module) for part in self._head() for module in part.modules()}
            for module in self._trainable.modules():
                if isinstance(module, _NormBase | _DropoutNd) and id(module) not in awake:
                    module.eval()

    def end(self) -> None:
        """All learns again that did at first."""
        for parameter in self._learning:
            parameter.requires_grad_(True)

    def _whole(self) -> list[nn.Module]:
        """Modules of which nothing learns."""
        everything = ALL_BUT_HEAD in self._frozen
        return [
            module
            for name, modules in self._trainable.parts.items()
            if name in self._frozen or (everything and name != HEAD)
            for module in modules
        ]

    def _head(self) -> list[nn.Module]:
        return list(self._trainable.parts[HEAD])
