"""The words that only this family knows. Light."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bench.recipe import Share

Degrees = Annotated[float, Field(ge=-180, le=180)]
Gain = Annotated[float, Field(ge=0)]


class YoloOptions(BaseModel):
    """Words that only this family knows, with the values of ultralytics/cfg/default.yaml.

    Names and meanings are ultralytics' own, but for `multi_label` and `auto_optimizer`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mosaic: Share = Field(1.0, description="Probability that four pictures are made into one.")
    close_mosaic: int = Field(10, ge=0, description="Last epochs without mosaic; 0 keeps it to the end.")
    mixup: Share = 0.0
    cutmix: Share = 0.0
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
