"""One COCO json as columns."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.datasets import regular_files
from bench.datasets.dataset import BoxTable
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair
from bench.datasets.sources.coco_rows import CocoRows
from bench.errors import DataError
from bench.gc_pause import gc_paused
from bench.layout import SplitName


@dataclass(frozen=True)
class CocoFile:
    """A parsed file; `boxes.image` indexes `names`, `boxes.label` indexes `classes`."""

    path: Path
    split: SplitName | None
    sha256: str
    licences: list[str]
    classes: tuple[str, ...]
    names: list[str]  # in NFC: the same on every system
    spelt: list[str]  # as in the file, to look up the image
    sizes: list[tuple[int, int]]  # (width, height), (0, 0) if the file does not say
    boxes: BoxTable
    not_kept: dict[str, int]
    repairs: list[Repair]


def parse(path: Path, split: SplitName | None, problems: Problems) -> CocoFile:
    """Read one file. Bad rows go to `problems`; raises DataError if it is not COCO at all."""
    with gc_paused():
        tree, digest = _load(path)
        rows = CocoRows(path, problems)
        rows.categories(tree["categories"])
        rows.images(tree["images"])
        boxes = rows.annotations(tree["annotations"])
    return CocoFile(
        path=path,
        split=split,
        sha256=digest,
        licences=_licences(tree.get("licenses")),
        classes=rows.classes,
        names=rows.names,
        spelt=rows.spelt,
        sizes=rows.sizes,
        boxes=boxes,
        repairs=rows.repairs,
        not_kept=rows.not_kept,
    )


def _licences(rows: Any) -> list[str]:
    """Their names; none if the value is no list of licences."""
    named = [str(row.get("name")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [name.encode("utf-8", "replace").decode("utf-8") for name in named]


def _load(path: Path) -> tuple[dict[str, Any], str]:
    try:
        content = regular_files.read(path, regular_files.ANNOTATIONS)
    except FileNotFoundError:
        raise DataError("no such file", file=path, hint="correct `data.annotations`") from None
    except OSError as error:
        raise DataError(
            f"can't be read: {error.strerror or error}",
            file=path,
            hint="give yourself permission to read it (chmod)",
        ) from None
    try:
        tree = json.loads(content)
    except UnicodeDecodeError:
        raise DataError("is not json: not UTF-8 text", file=path) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"is not json: {error.msg}", file=path, record=f"line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"is json that can't be read: {error}", file=path) from None
    except RecursionError:
        raise DataError("is not COCO: it is nested too deeply", file=path) from None
    keys = ("images", "annotations", "categories")
    missing = [key for key in keys if not isinstance(tree, dict) or not isinstance(tree.get(key), list)]
    if missing:
        raise DataError(
            f"is not COCO: it has no list {', '.join(repr(key) for key in missing)}",
            file=path,
            value=sorted(tree)[:8] if isinstance(tree, dict) else type(tree).__name__,
            hint="COCO's object detection json has `images`, `annotations` and `categories`",
        )
    return tree, hashlib.sha256(content).hexdigest()
