"""One COCO json as columns."""

import gc
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.datasets.dataset import BoxTable
from bench.datasets.findings import Finding
from bench.datasets.problems import Problems
from bench.datasets.sources.coco_rows import Reader
from bench.errors import DataError
from bench.layout import SplitName


@dataclass(frozen=True)
class CocoFile:
    """A file's rows; `boxes.image` is a row of `names`, `boxes.label` an index into `classes`."""

    path: Path
    split: SplitName | None
    sha256: str
    licences: list[str]
    classes: tuple[str, ...]
    names: list[str]  # composed (NFC): the same ones on every system
    spelt: list[str]  # as the file spells them, to be looked up
    sizes: list[tuple[int, int]]  # (width, height), 0 where the file does not say
    boxes: BoxTable
    findings: list[Finding]


def parse(path: Path, split: SplitName | None, problems: Problems) -> CocoFile:
    """Read one file. Bad rows go to `problems`; DataError where it can't be read as COCO at all."""
    with _collector_at_rest():
        tree, digest = _load(path)
        reader = Reader(path, problems)
        reader.categories(tree["categories"])
        reader.images(tree["images"])
        boxes = reader.annotations(tree["annotations"])
    return CocoFile(
        path=path,
        split=split,
        sha256=digest,
        licences=_licences(tree.get("licenses")),
        classes=reader.classes,
        names=reader.names,
        spelt=reader.spelt,
        sizes=reader.sizes,
        boxes=boxes,
        findings=reader.findings,
    )


def _licences(rows: Any) -> list[str]:
    """Their names; what is no list of licences names none."""
    named = [str(row.get("name")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [name.encode("utf-8", "replace").decode("utf-8") for name in named]


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Without cyclic garbage collection: it walks over millions of fresh dicts that hold no cycle."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _load(path: Path) -> tuple[dict[str, Any], str]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError("no such file", file=path, hint="mend `data.annotations`") from None
    except OSError as error:
        raise DataError(
            f"can't be read: {error.strerror}", file=path, hint="let yourself read it (chmod)"
        ) from None
    try:
        tree = json.loads(content)
    except UnicodeDecodeError:
        raise DataError("is no json: it is not UTF-8 text", file=path) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"is no json: {error.msg}", file=path, record=f"line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"is no json that can be read: {error}", file=path) from None
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
