"""Write a prepared dataset in one format, whole or not at all, and say what the format can't express."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from bench import files
from bench.datasets.dataset import Dataset
from bench.datasets.exports import coco, csv_table, voc, yolo
from bench.datasets.exports.part import Part
from bench.datasets.image_files import ImageFile
from bench.datasets.layout import Prepared, place_images, rows_of
from bench.datasets.pixels import upright_rgb
from bench.datasets.progress import ProgressCallback, silent
from bench.errors import ConfigError
from bench.layout import SPLITS

FORMATS: Mapping[str, Any] = {"coco": coco, "yolo": yolo, "voc": voc, "csv": csv_table}
"""Name -> module with `images_dir(root, split)`, `write(root, parts)` and `losses(dataset)`."""

_QUALITY = 95
"""Of a re-encoded JPEG."""


@dataclass(frozen=True)
class Resize:
    """To a long side of `side` pixels; `square`: then padded at the right or bottom with black."""

    side: int
    square: bool = False


def export(
    root: Path,
    to: str,
    prepared: Prepared,
    manifest: Mapping[str, Any],
    *,
    images: Literal["link", "copy", "encode"] = "link",
    resize: Resize | None = None,
    progress: ProgressCallback = silent,
) -> list[str]:
    """Write the folder `root`, and manifest.json in it; returns what was lost, a sentence each.

    Raises ConfigError if `root` exists and is not empty, RunError if it can't be written.
    """
    form = FORMATS[to]
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError("exists already", file=root, hint="name a new or an empty folder")
    scaled = prepared if resize is None else replace(prepared, dataset=_resized(prepared.dataset, resize))
    names = _file_names(prepared, reencoded=resize is not None or images == "encode")
    with files.replacing_folder(root) as folder:
        parts = []
        for split in SPLITS:
            rows = rows_of(prepared, split)
            part = Part(scaled.dataset, rows, [names[row] for row in rows], split)
            target = form.images_dir(folder, split)
            if resize is None and images != "encode":
                place_images(target, prepared, rows, part.file_names, split, progress, images == "copy")
            else:
                _encode(target, prepared, part, resize, progress)
            parts.append(part)
        form.write(folder, parts)
        lost = [*_common_losses(prepared, manifest), *form.losses(_taken(scaled))]
        files.write_json(folder / "manifest.json", {**manifest, "exported": {"to": to, "lost": lost}})
    return lost


def _taken(prepared: Prepared) -> Dataset:
    return prepared.dataset.keep_images((prepared.split >= 0) & (prepared.split < len(SPLITS)))


def _file_names(prepared: Prepared, *, reencoded: bool) -> list[str]:
    names = prepared.file_names()
    if not reencoded:
        return names
    jpeg = (".jpg", ".jpeg")
    return [name if name.lower().endswith(jpeg) else f"{Path(name).stem}.png" for name in names]


def _common_losses(prepared: Prepared, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What no format of ours keeps."""
    names = prepared.file_names()
    old = prepared.dataset.images.names.tolist()
    renamed = [(name, new) for name, new in zip(old, names, strict=True) if name != new]
    if renamed:
        example = f"{renamed[0][0]} is {renamed[0][1]}"
        yield f"{len(renamed):,} pictures are renamed, so that all fit in one folder ({example})"
    source = manifest.get("source") or {}
    for field, count in (source.get("not_kept") or {}).items():
        yield f"`{field}` of {count:,} annotations is not kept: boxes are; `area` is that of the box"
    for repair in ("polygon", "keypoints"):
        found = (manifest.get("repairs") or {}).get(repair)
        if found:
            yield f"{found['count']:,} {found['meaning']}"


def _resized(dataset: Dataset, resize: Resize) -> Dataset:
    old = dataset.images.sizes_wh.astype(np.float64)
    scale = resize.side / np.maximum(old.max(axis=1, keepdims=True), 1)
    new = np.maximum(np.rint(old * scale), 1)
    ratio = (new / np.maximum(old, 1))[dataset.boxes.image]
    xyxy = dataset.boxes.xyxy * np.concatenate([ratio, ratio], axis=1)
    sizes = np.full_like(new, resize.side) if resize.square else new
    images = replace(dataset.images, sizes_wh=sizes.astype(np.int64))
    return replace(dataset, images=images, boxes=replace(dataset.boxes, xyxy=xyxy))


def _encode(
    folder: Path, prepared: Prepared, part: Part, resize: Resize | None, progress: ProgressCallback
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for count, (row, name) in enumerate(zip(part.rows.tolist(), part.file_names, strict=True), start=1):
        one = prepared.image_files[row] if prepared.image_files else ImageFile()
        image = upright_rgb(str(prepared.dataset.images.paths[row]), one.depth if one.depth > 8 else None)
        if resize is not None:
            scale = resize.side / max(image.size)
            size = tuple(max(1, round(side * scale)) for side in image.size)
            image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
            if resize.square:
                square = Image.new("RGB", (resize.side, resize.side))
                square.paste(image)
                image = square
        if name.endswith(".png"):
            image.save(folder / name, compress_level=1)
        else:
            image.save(folder / name, format="JPEG", quality=_QUALITY, subsampling=0)
        progress(f"{part.split} pictures written", count, len(part.file_names))
