"""DINO as the loop trains it.

B images, Q queries, C classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import DeformableDetrConfig, ResNetConfig

from bench import files
from bench.adapters.dino.criterion import DinoCriterion
from bench.adapters.dino.denoising import Denoising
from bench.adapters.dino.network import DinoNetwork
from bench.adapters.dino.options import DinoOptions
from bench.adapters.dino.oracle import OracleDino
from bench.adapters.loop.oracle import OracleNetwork
from bench.adapters.loop.trainable import Batch, DataAdaptation, RawDetections
from bench.adapters.query.capacity import most_objects
from bench.adapters.query.trainable import QueryTrainable, to_xyxy
from bench.detector import Plan
from bench.layout import Example
from bench.recipe import InputSize

SELECTED = 300
"""Detections that DINO keeps of all queries x classes (`num_select` of its configurations)."""


class Dino(QueryTrainable):
    """DINO with its preprocessing, loss and post-processing."""

    def __init__(self, options: DinoOptions, classes: int, *, whole_backbone: bool = True) -> None:
        """`whole_backbone`: all of it is trained, else all but its stem and first stage."""
        super().__init__()
        denoising = Denoising(options.denoising_pairs, options.label_noise, options.box_noise)
        self.dino = DinoNetwork(
            config(options, classes),
            denoising=denoising if options.denoising else None,
            query_selection=options.query_selection,
            look_forward=options.look_forward,
        )
        self.criterion = DinoCriterion(options.class_cost, options.box_cost, options.giou_cost)
        factors = {"class": options.class_loss, "box": options.box_loss, "giou": options.giou_loss}
        endings = ["", *(["_encoder"] if options.query_selection != "static" else [])]
        endings += ["_denoising"] if options.denoising else []
        self.loss_weights = {f"{part}{end}": factor for part, factor in factors.items() for end in endings}
        self.augment = options.augment
        self.prepare_backbone(options.norm, whole=whole_backbone)

    @property
    def network(self) -> nn.Module:
        return self.dino

    @property
    def backbone(self) -> nn.Module:
        part: nn.Module = self.dino.model.backbone
        return part

    @property
    def parts(self) -> Mapping[str, Sequence[nn.Module]]:
        """Projections and query selection go with the encoder, the queries' contents with the decoder."""
        network = self.dino
        own = {name: module for name, module in network.named_children() if name != "model"}
        head = ("class_embed", "bbox_embed", "enc_class", "enc_box")
        encoder = ("enc_output", "enc_output_norm")
        return {
            "backbone": [self.backbone],
            "encoder": [
                network.model.input_proj,
                network.model.encoder,
                *(own[name] for name in encoder if name in own),
            ],
            "decoder": [
                network.model.decoder,
                *(module for name, module in own.items() if name not in head + encoder),
            ],
            "head": [own[name] for name in head if name in own],
        }

    @property
    def compilable(self) -> Sequence[nn.Module]:
        """Not the denoising queries, whose number goes with the batch."""
        return [self.dino.model.backbone, self.dino.model.encoder]

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Objects. The denoising losses are means over groups, too, and the fullest image of each small
        batch decides how many: accumulation comes near one large batch there, and does not equal it."""
        objects = max(sum(len(target.labels) for target in batch.targets), 1)
        return dict.fromkeys(self.loss_weights, float(objects))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See `DinoCriterion`; without denoising queries (in evaluation) their losses are 0."""
        labels = self.labels(batch)
        outputs = self.dino(*self.inputs(batch), labels)
        zero = 0 * outputs.logits.sum()
        return dict.fromkeys(self.loss_weights, zero) | self.criterion(outputs, labels)

    def detect(self, batch: Batch) -> list[RawDetections]:
        """The best SELECTED of all queries and classes, as DINO's PostProcess."""
        outputs = self.dino(*self.inputs(batch))
        scores = outputs.logits[-1].sigmoid().float()[..., : self.reported_classes]  # (B, Q, C)
        classes = scores.shape[-1]
        best, places = scores.flatten(1).topk(min(SELECTED, scores[0].numel()), dim=1)
        boxes = outputs.boxes[-1].float().gather(1, (places // classes)[..., None].expand(-1, -1, 4))
        found = zip(to_xyxy(boxes, batch.sizes_wh), best, places % classes, strict=True)
        return [RawDetections(*one) for one in found]

    def oracle(self) -> OracleNetwork:
        return OracleDino(self.dino)

    def adapt_to_data(self, examples: Sequence[Example], size: InputSize) -> DataAdaptation:
        """Raises RecipeError where an image has more objects than there are queries."""
        most_objects(examples, self.dino.queries)
        return DataAdaptation()

    def save_beside(self, folder: Path) -> None:
        """config.json of the Deformable DETR whose parts these are."""
        files.write_text(folder / "config.json", self.dino.model.config.to_json_string())


def make(plan: Plan, classes: int) -> Dino:
    """The network of `plan` with random weights."""
    return Dino(DinoOptions.model_validate(plan.options), classes, whole_backbone=plan.weights == "none")


def config(options: DinoOptions, classes: int) -> DeformableDetrConfig:
    """transformers' settings for it."""
    assert options.depths and options.widths and options.first_stage, "options are resolved"
    backbone: dict[str, Any] = {
        "embedding_size": options.stem,
        "hidden_sizes": list(options.widths),
        "depths": list(options.depths),
        "layer_type": options.block,
        "out_features": [f"stage{stage}" for stage in range(options.first_stage, len(options.depths) + 1)],
    }
    settings: dict[str, Any] = {
        "backbone_config": ResNetConfig(**backbone),
        "num_queries": options.queries,
        "num_labels": classes,
        "d_model": options.width,
        "encoder_layers": options.encoder_layers,
        "decoder_layers": options.decoder_layers,
        "encoder_attention_heads": options.heads,
        "decoder_attention_heads": options.heads,
        "encoder_ffn_dim": options.feedforward,
        "decoder_ffn_dim": options.feedforward,
        "num_feature_levels": options.levels,
        "dropout": options.dropout,
        "disable_custom_kernels": True,
    }
    return DeformableDetrConfig(**settings)
