"""What bench takes for granted of transformers, so that another release fails here and says where.

`TransformersDetr` reads outputs and terms of the loss by their names, and `initialise` knows which modules
transformers initialises as the papers do. When one of these tests fails: read the new code of what it names,
adapt adapters/transformers_detr, and raise the bound in pyproject.toml.
"""

import re

import pytest
import torch
import transformers
from torch import nn

from bench import registry

pytestmark = pytest.mark.slow


def test_the_config_has_every_setting_that_is_set(name: str) -> None:
    architecture = registry.family(name).architecture
    known = getattr(transformers, f"{architecture.prefix}Config")().to_dict()
    ours = {*architecture.queries, architecture.denoising, architecture.frozen_norm}
    ours |= {*architecture.fixed_config}
    ours |= {*architecture.loss_config.values(), *architecture.costs.values()}
    assert ours - {None} - set(known) == set()
    assert known[architecture.queries[0]] == architecture.default_queries
    if architecture.denoising is not None:
        assert known[architecture.denoising] == architecture.default_denoising
    assert known["model_type"] == architecture.model_type


def test_the_published_sizes_are_built(name: str) -> None:
    """On the meta device; the number of parameters is the one that `bench models` says."""
    family = registry.family(name)
    for variant, row in family.architecture.variants.items():
        if variant == "tiny":
            continue
        kind = getattr(transformers, f"{family.architecture.prefix}ForObjectDetection")
        with torch.device("meta"):
            network = kind(getattr(transformers, f"{family.architecture.prefix}Config")(**row.config))
        millions = sum({id(p): p.numel() for p in network.parameters()}.values()) / 1e6
        said = re.search(r"(\d+) million", row.about)
        assert said is not None and abs(millions - int(said[1])) < 1, (variant, millions)


def test_the_modules_that_keep_their_initialisation_exist(name: str, make) -> None:
    trainable = make(name).trainable
    architecture = trainable.architecture
    names = [
        key for key, module in trainable.detector.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    for pattern in architecture.keep_initialised.split("|"):
        assert any(re.search(pattern, key) for key in names), pattern
    if architecture.zeroed is not None:
        zeroed = [key for key in names if re.search(architecture.zeroed, key)]
        assert zeroed
        for key in zeroed:
            assert trainable.detector.get_submodule(key).weight.abs().max() == 0


def test_the_terms_of_the_loss_have_the_names_that_are_known(name: str, make, batch) -> None:
    """Of every decoder layer, of the encoder's proposals, and of the denoising queries."""
    trainable = make(name).trainable.train()
    pixels, mask = trainable.inputs(batch)
    out = trainable.detector(pixel_values=pixels, pixel_mask=mask, labels=trainable.labels(batch))
    layers = trainable.detector.config.decoder_layers
    found: dict[str, int] = {}
    for term in out.loss_dict:
        component = trainable._component(term, out.loss_dict)
        if component is not None:
            found[component] = found.get(component, 0) + 1
    assert found["class"] == layers
    assert found.get("class_denoising", 0) == (layers if trainable.architecture.denoising else 0)
    assert ("class_encoder" in found) == ("class_encoder" in trainable.loss_weights)
