"""Check a source: read it leniently, inspect its images, and collect what is wrong."""

from collections import Counter
from pathlib import Path

import numpy as np

from bench.data_config import DataConfig
from bench.datasets import formats, reading, regular_files
from bench.datasets.checks import boxes, classes, files, polygons, splits
from bench.datasets.checks.finding import ClassCount, Example, Finding, Report, found, sorted_findings
from bench.datasets.checks.subject import Subject
from bench.datasets.dataset import Source
from bench.datasets.image_cache import ImageCache
from bench.datasets.image_files import inspect_all
from bench.datasets.problems import Problems
from bench.datasets.progress import ProgressCallback, silent
from bench.datasets.settle import fit_images
from bench.datasets.sources import coco_json, folders
from bench.errors import DataError


def check_folder(
    folder: Path,
    cache: Path,
    progress: ProgressCallback = silent,
    *,
    images: Path | None = None,
    annotations: Path | None = None,
    group: str | None = None,
    known: Path | None = None,
) -> Report:
    """Check the dataset in `folder`, whose format is detected.

    `known`: a COCO json or a text file with the names of all images that exist somewhere; missing ones that
    it lacks are reported as orphans.
    Raises DataError if the folder does not exist or nothing in it is recognised.
    """
    with folders.reading(folder):
        root = folders.existing(folder)
        detected = formats.detect(root)
    data = {"source": detected.source, "path": root, **detected.data}
    data |= {key: value for key, value in {"images": images, "annotations": annotations}.items() if value}
    if group is not None:
        data["split"] = {"group": group}
    return check(DataConfig.model_validate(data), cache, progress, known=known)


def check(
    config: DataConfig, cache: Path, progress: ProgressCallback = silent, *, known: Path | None = None
) -> Report:
    """Check the dataset that `config` names; nothing is written but the cache of inspected images."""
    path = str(config.path or config.source)
    try:
        source = reading.read(config, cache.resolve() / "sources", progress)
    except DataError as error:
        example = Example(record=error.record or "", detail=str(error), file=str(error.file or ""))
        hint = error.hint or "correct the file"
        return Report(
            path, config.source, findings=(Finding("unusable", "error", str(error), 1, hint, (example,)),)
        )
    paths: list[str] = source.dataset.images.paths.tolist()
    stored = ImageCache(cache.resolve() / "images")
    image_files = [] if source.known_good else inspect_all(paths, progress, stored, hashed=True)
    dataset, usable, repairs = fit_images(source, image_files)
    names = None if known is None else _names(known)
    subject = Subject(source, image_files, dataset, usable, repairs, config.split.group, names)
    findings = [
        *_bad_rows(source),
        *files.check(subject),
        *boxes.check(subject),
        *polygons.check(subject),
        *classes.check(subject),
        *splits.check(subject),
    ]
    return _report(path, config.source, subject, findings)


def _names(known: Path) -> frozenset[str]:
    """File names in a COCO json, or in a text file with one per line. Raises DataError."""
    if known.suffix.lower() == ".json":
        parsed = coco_json.parse(known, None, Problems())
        return frozenset(parsed.names)
    try:
        text = regular_files.read(known, regular_files.LABELS).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"can't be read: {error}", file=known, hint="write a name per line, in UTF-8"
        ) from None
    return frozenset(line.strip() for line in text.splitlines() if line.strip())


def _bad_rows(source: Source) -> list[Finding]:
    """Rows that can't be used, by message."""
    findings = []
    for message, errors in source.problems.examples.items():
        examples = [
            Example(record=one.record or "", detail=f"found {one.value!r}"[:200], file=str(one.file or ""))
            for one in errors
        ]
        hint = errors[0].hint or "correct or delete the row"
        findings += found("bad_row", "error", message, hint, examples, source.problems.counts[message])
    return findings


def _report(path: str, source_format: str, subject: Subject, findings: list[Finding]) -> Report:
    dataset, missing = subject.source.dataset, subject.source.missing
    count = len(dataset.classes)
    held = np.bincount(dataset.boxes.label, minlength=count)
    images = (dataset.class_counts() > 0).sum(axis=0) if count * len(dataset.images) < 1e9 else held
    lost = held * 0 if missing is None else np.bincount(missing.boxes.label, minlength=count)
    unknown = held * 0
    if missing is not None and subject.known is not None:
        orphaned = subject.unknown[missing.boxes.image]
        unknown = np.bincount(missing.boxes.label[orphaned], minlength=count)
    columns = (held, images, lost, unknown)
    rows = zip(dataset.classes, *(column.tolist() for column in columns), strict=True)
    return Report(
        path=path,
        format=source_format,
        images=len(dataset.images),
        boxes=len(dataset.boxes),
        missing_images=0 if missing is None else len(missing.images),
        missing_boxes=0 if missing is None else len(missing.boxes),
        known=subject.known is not None,
        splits=dict(sorted(Counter(name for name in subject.split_names if name).items())),
        classes=tuple(ClassCount(*row) for row in rows),
        findings=sorted_findings(findings),
    )
