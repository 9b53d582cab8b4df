"""The options of this family. Light."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.recipe import Share

Degrees = Annotated[float, Field(ge=-180, le=180)]
Gain = Annotated[float, Field(ge=0)]

AUGMENTATIONS = (
    *("mosaic", "mixup", "cutmix", "hsv_h", "hsv_s", "hsv_v"),
    *("degrees", "translate", "scale", "shear", "perspective", "flipud", "bgr", "albumentations"),
)
"""ultralytics' augmentations of a box detector, except `fliplr`, which is the recipe's `flip`."""

WITHOUT_EFFECT = {
    "copy_paste": "pastes objects by their outlines, and a dataset of boxes has none: ultralytics ignores it",
    "erasing": "is for classification: ultralytics ignores it when it trains a detector",
}


class YoloOptions(BaseModel):
    """Defaults are those of ultralytics/cfg/default.yaml.

    Names and meanings are ultralytics' own, except `augment`, `albumentations`, `multi_label` and
    `auto_optimizer`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    augment: Literal["own", "none"] = Field(
        "own", description="none: every augmentation is off but the recipe's flip and multi_scale."
    )
    mosaic: Share = Field(1.0, description="Probability that four pictures are made into one.")
    close_mosaic: int = Field(
        10, ge=0, description="Last epochs without mosaic, mixup and cutmix; 0 keeps them to the end."
    )
    mixup: Share = 0.0
    cutmix: Share = 0.0
    copy_paste: Share = Field(0.0, description="Only 0: " + WITHOUT_EFFECT["copy_paste"] + ".")
    hsv_h: Share = 0.015
    hsv_s: Share = 0.7
    hsv_v: Share = 0.4
    degrees: Degrees = 0.0
    translate: Share = 0.1
    scale: Share = Field(0.5, description="Pictures are scaled by 1-x to 1+x.")
    shear: Degrees = 0.0
    perspective: Annotated[float, Field(ge=0, le=0.001)] = 0.0
    flipud: Share = 0.0
    bgr: Share = 0.0
    erasing: Share = Field(0.0, description="Only 0: " + WITHOUT_EFFECT["erasing"] + ".")
    albumentations: bool = Field(
        False,
        description="Blur, grey and contrast, each on one picture of a hundred, which ultralytics adds where "
        "that package is installed; off, so that figures do not depend on what is installed.",
    )
    warmup_momentum: Share = 0.8
    warmup_bias_lr: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Where the biases' rate starts. Default: 0.1 for SGD, 0 for AdamW."
    )
    box: Gain = Field(7.5, description="Weight of the box loss.")
    cls: Gain = Field(0.5, description="Weight of the class loss.")
    dfl: Gain = Field(1.5, description="Weight of the distribution focal loss.")
    cls_pw: Share = Field(0.0, description="Class weights: inverse frequency to this power.")
    iou: Share = Field(0.7, description="IoU over which non-maximum suppression drops the weaker box.")
    multi_label: bool = Field(
        True,
        description="A box is reported for each of its classes, as ultralytics' val does; false: for its "
        "best class alone, as its predict does.",
    )
    auto_optimizer: bool = Field(
        False, description="Leave optimizer, rate and momentum to ultralytics' optimizer=auto."
    )

    @model_validator(mode="before")
    @classmethod
    def _all_off(cls, given: Any) -> Any:
        """`augment: none` sets what is not given to 0, and refuses what is not 0."""
        if not isinstance(given, Mapping) or given.get("augment") != "none":
            return given
        settings = (*AUGMENTATIONS, "close_mosaic")
        on = [setting for setting in settings if given.get(setting)]
        if on:
            raise ValueError(f"augment: none turns {', '.join(on)} off: leave one of the two out")
        return {**dict.fromkeys(settings, 0), "albumentations": False, **given}

    @model_validator(mode="after")
    def _effective(self) -> Self:
        for setting, why in WITHOUT_EFFECT.items():
            if getattr(self, setting):
                raise ValueError(f"{setting} {why}")
        if self.albumentations and find_spec("albumentations") is None:
            raise ValueError("albumentations is not installed: pip install albumentations, or leave it out")
        return self
