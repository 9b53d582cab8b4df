"""What tells one architecture of transformers from another. No torch: plans are made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.adapters.query.planning import DEFAULTS
from bench.records import LedgerEntry


@dataclass(frozen=True)
class Variant:
    """One size of an architecture."""

    about: str
    config: Mapping[str, Any] = field(default_factory=dict)
    """Where it differs from the defaults of transformers' config."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Where its training differs from the architecture's."""
    checkpoint: str | None = None
    """ORG/MODEL of the hub that `weights: pretrained` loads."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One family. Dotted names are those of submodules in transformers' network for object detection."""

    name: str
    title: str
    model_type: str
    """Of config.json."""
    prefix: str
    """Of transformers' classes: PREFIXConfig, PREFIXForObjectDetection."""
    variants: Mapping[str, Variant]
    strides: Callable[[Mapping[str, Any]], tuple[int, ...]]
    """Of a config: pixels to a cell of each feature level."""

    parts: Mapping[str, tuple[str, ...]]
    """Part -> submodules that belong to it; those that a variant lacks are skipped."""
    class_heads: str
    """Regular expression: linear layers with a row for each class."""
    label_embedding: str | None = None
    """Of the denoising queries: a row for each class and one more."""
    fixed_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of transformers' config that are the same for every variant, and for loaded weights."""
    keep_initialised: str
    """Regular expression: modules that transformers initialises as the paper's code does."""
    xavier: str
    """Regular expression: modules that the paper's code initialises by Xavier's rule, not by torch's own."""
    zeroed: str | None = None
    """Regular expression: linear layers that start at zero in the paper's code, but not in transformers."""
    finish: Callable[[Any], None] = lambda network: None
    """Called with transformers' new network: shares heads between layers as the paper's code does."""

    loss: str
    """Its class loss, in words."""
    losses: Mapping[str, str]
    """transformers' names of loss terms -> ours."""
    loss_weights: Mapping[str, float]
    """Our names -> factor, of the paper."""
    loss_config: Mapping[str, str] = field(default_factory=dict)
    """Where transformers weights the terms itself: our names -> setting of its config, which is set to 1."""
    costs: Mapping[str, str]
    """class, box, giou -> setting of transformers' config with the matching cost."""
    default_costs: Mapping[str, float]

    queries: tuple[str, ...] = ("num_queries",)
    """Settings of transformers' config with the number of object queries."""
    default_queries: int = 300
    selects_queries: Callable[[Mapping[str, Any]], bool] = lambda config: False
    """Of a config: whether queries start from the best feature cells, so that there must be as many."""
    encoder_loss: bool = False
    """Whether the proposals of a two-stage encoder need a loss of ours: transformers gives them none."""
    denoising: str | None = None
    """Setting of transformers' config with the number of denoising queries."""
    default_denoising: int = 100

    frozen_norm: str | None = None
    """Setting of transformers' config: whether the backbone's batch norm is frozen."""

    normalisation: Literal["imagenet", "unit"] = "imagenet"
    """Of the input's pixels."""
    square: bool = False
    """The network sees the padding: every image is padded to the same square, and boxes are divided by it."""
    top: int | None = None
    """How many of queries x classes are detections; None: as many as there are queries."""
    frozen_when_pretrained: bool = True
    """Whether the stem and the first stage of a pretrained backbone are not trained."""
    recipe: Mapping[str, Any] = field(default_factory=lambda: DEFAULTS)
    notes: tuple[LedgerEntry, ...] = ()
