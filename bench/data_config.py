"""`data:` of bench.yaml: the dataset and how it is prepared."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from bench import registry
from bench.config_problems import guess, problems
from bench.recipe import Settings


class SplitConfig(Settings):
    """How images are assigned to splits."""

    kind: Literal["published", "random", "grouped"] | None = Field(
        None, description="Default: published where the source has splits, random otherwise."
    )
    val: Annotated[float, Field(gt=0, lt=1)] = Field(0.15, description="Share of the images.")
    test: Annotated[float, Field(gt=0, lt=1)] = Field(0.15, description="Share of the images.")
    seed: int = Field(0, ge=0)
    group: str = Field(
        "roboflow",
        description="What `grouped` keeps in one split: `roboflow` (the stem before .rf.), `folder`, or a "
        "regular expression whose first group is matched in the file's name.",
    )
    near_duplicates: bool = Field(
        False,
        description="Images that look alike (perceptual hashes) stay in one split, as identical files do; "
        "not where the split is published.",
    )


class SyntheticConfig(Settings):
    """Generated scenes; the embedded default."""

    images: int = Field(900, ge=12, description="In all splits together.")
    size: int = Field(96, ge=32, description="Width and height in pixels.")
    seed: int = Field(0, ge=0)


class VocConfig(Settings):
    """What Pascal VOC leaves open."""

    difficult: Literal["ignore", "keep", "drop"] = Field(
        "ignore",
        description="Objects marked difficult: ignore (not trained on, ignored in scoring, as the challenge "
        "does), keep as ordinary ones, or drop.",
    )
    one_based: bool | None = Field(
        None,
        description="Whether pixels count from 1 with both ends included, as in the challenge's own files. "
        "Default: only if `database` says that the file is one of those.",
    )


class CsvConfig(Settings):
    """Names of a csv's columns; each is found by its usual names if it is not given."""

    image: str | None = Field(None, description="The picture's name, relative to `data.images`.")
    label: str | None = Field(None, description="The class.")
    left: str | None = Field(None, description="Corners in pixels: left, top, right, bottom.")
    top: str | None = None
    right: str | None = None
    bottom: str | None = None
    x: str | None = Field(None, description="Or left, top, width and height in pixels: x, y, w, h.")
    y: str | None = None
    w: str | None = None
    h: str | None = None
    split: str | None = Field(None, description="train, val or test.")


class DataConfig(Settings):
    """The dataset and how it is prepared."""

    source: str = Field(
        description="The format: synthetic, coco, yolo, voc, csv, taco, fracture, or a plug-in's."
    )
    path: Path | None = Field(None, description="The dataset's folder, relative to this file.")
    annotations: Path | tuple[Path, ...] | dict[Literal["train", "val", "test"], Path] | None = Field(
        None,
        description="For COCO: the json, several, or one per split; for csv: the file. Relative to `path`.",
    )
    images: Path | None = Field(
        None, description="The folder that file names are relative to. Default: found by its usual names."
    )
    classes: str | dict[str, Any] | None = Field(
        None, description="A class table of bench (taco-7, fracture), the path of a table, or a table."
    )
    split: SplitConfig = SplitConfig()
    repair: bool = Field(
        False,
        description="Also apply repairs that need no judgement: other box formats, class names that differ "
        "by case or spaces, near-duplicate boxes, identical pictures. All are listed.",
    )
    limit: int | None = Field(
        None,
        ge=3,
        description="For quick trials: this many images in all, a stratified share of each split.",
    )
    synthetic: SyntheticConfig = SyntheticConfig()
    voc: VocConfig = VocConfig()
    csv: CsvConfig = CsvConfig()
    options: dict[str, Any] = Field(
        default_factory=dict, description="Settings of a plug-in's source, in its own model."
    )

    @field_validator("source")
    @classmethod
    def _known(cls, value: str) -> str:
        known = registry.source_names()
        if value not in known:
            raise ValueError(f"there are: {', '.join(known)}" + guess(value, known))
        return value

    @model_validator(mode="after")
    def _placed(self) -> "DataConfig":
        own = self.source in registry.SOURCES
        if own and self.options:
            raise ValueError(f"options: source {self.source!r} has none; they are for plug-ins")
        if own and self.source != "synthetic" and self.path is None:
            raise ValueError(f"source {self.source!r} needs `path`: the dataset's folder")
        if not own:
            settings: type[Settings] = registry.source(self.source).settings
            try:
                settings.model_validate(self.options)
            except ValidationError as error:
                found = problems(error, settings, prefix="options.")
                raise ValueError("; ".join(str(problem) for problem in found)) from None
        return self
