"""Random weights as in the papers' code: with transformers' own these networks hardly learn.

transformers draws linear layers and convolutions from N(0, 0.01), several times too small for their width,
and RT-DETR's batch norms as well, whose scale should be 1.
"""

import re
from collections.abc import Callable

from torch import Tensor, nn

from bench.adapters.losses.sigmoid import PRIOR_LOGIT
from bench.adapters.transformers_detr.architecture import Architecture

_ATTENTION = re.compile(r"\.(q|k|v|o)_proj$")


def initialise(network: nn.Module, architecture: Architecture) -> None:
    """torch's own initialisation, Xavier in attention (as torch.nn.MultiheadAttention), and a low score of
    every class; modules that `architecture` names stay as transformers has made them."""
    for name, module in network.named_modules():
        if re.search(architecture.class_heads, name) and isinstance(module, nn.Linear):
            nn.init.constant_(module.bias, PRIOR_LOGIT)
        if re.search(architecture.keep_initialised, name):
            continue
        if architecture.zeroed and re.search(architecture.zeroed, name):
            _fill(module, weight=nn.init.zeros_)
        elif _ATTENTION.search(name) and isinstance(module, nn.Linear):
            _fill(module, weight=nn.init.xavier_uniform_)
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm2d):
            module.reset_parameters()


def _fill(module: nn.Module, weight: Callable[[Tensor], Tensor]) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        if name == "bias":
            nn.init.zeros_(parameter)
        else:
            weight(parameter)
