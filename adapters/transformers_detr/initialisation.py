"""Random weights as in the papers' code: with transformers' own these networks hardly learn.

transformers draws linear layers and convolutions from N(0, 0.01), several times too small for their width,
and RT-DETR's batch norms as well, whose scale should be 1.
"""

import re
from collections.abc import Callable

from torch import Tensor, nn

from bench.adapters.losses.sigmoid import PRIOR_LOGIT
from bench.adapters.transformers_detr.architecture import Architecture


def initialise(network: nn.Module, architecture: Architecture) -> None:
    """torch's own initialisation, Xavier's or zeros where `architecture` says so, and a low score of every
    class; modules that it names otherwise stay as transformers has made them."""
    for name, module in network.named_modules():
        if not isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm2d):
            continue
        if not re.search(architecture.keep_initialised, name):
            if architecture.zeroed and re.search(architecture.zeroed, name):
                _fill(module, weight=nn.init.zeros_)
            elif re.search(architecture.xavier, name) and not isinstance(module, nn.BatchNorm2d):
                _fill(module, weight=nn.init.xavier_uniform_)
            else:
                module.reset_parameters()
        if re.fullmatch(architecture.class_heads, name):
            nn.init.constant_(module.bias, PRIOR_LOGIT)
    architecture.finish(network)


def _fill(module: nn.Module, weight: Callable[[Tensor], Tensor]) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        if name == "bias":
            nn.init.zeros_(parameter)
        else:
            weight(parameter)
