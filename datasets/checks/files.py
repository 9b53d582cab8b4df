"""Findings about files: missing, unreadable, orphans, names, formats."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from bench.datasets.checks.finding import EXAMPLES, Example, Finding, Severity, found
from bench.datasets.checks.subject import Subject
from bench.datasets.repairs import KINDS, Repair

_OF_REPAIRS: dict[str, tuple[Severity, str]] = {
    "orphan_annotation": ("warning", "list their pictures, or delete them; `bench data convert` drops them"),
    "duplicate_annotation": ("warning", "delete the second; `bench data convert` drops it"),
    "duplicate_annotation_id": ("warning", "give each an id of its own; `bench data convert` does"),
    "duplicate_picture": ("warning", "list each picture once; `bench data convert` keeps it in test or val"),
    "ambiguous_picture": ("error", "give each picture an id of its own"),
    "absolute_name": ("info", "write names relative to the pictures' folder"),
    "not_listed": ("warning", "annotate them, list them as background, or move them elsewhere"),
    "no_label_file": ("info", "add an empty label file to each that is background on purpose"),
    "label_without_image": ("warning", "bring the pictures back, or delete the label files"),
    "split_same_as_train": ("warning", "name a folder of its own; a share of train is used meanwhile"),
    "placeholder_class": ("info", "nothing to do: Roboflow adds it"),
    "keypoints": ("info", "nothing to do: keypoints are not used"),
    "polygon": ("info", "nothing to do: the box round the polygon is used"),
    "oriented": ("info", "nothing to do: a layout holds upright copies"),
    "oriented_boxes": ("warning", "check one by eye; `bench data convert` turns the boxes with the picture"),
    "resized": ("warning", "correct the listed sizes; `bench data convert` scales the boxes to the file"),
    "size_disagrees": ("error", "find out which picture was annotated: its boxes can't be placed"),
    "size_missing": ("info", "nothing to do: the file's size is used"),
    "converted": ("info", "nothing to do: a layout holds 8-bit RGB copies"),
}
"""Kind of Repair -> severity and hint of the finding; kinds that a check finds itself are not here."""

_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},
    "PNG": {".png"},
    "BMP": {".bmp"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
    "GIF": {".gif"},
    "AVIF": {".avif"},
    "JPEG2000": {".jp2", ".j2k"},
    "TGA": {".tga"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
}


def check(subject: Subject) -> Iterator[Finding]:
    """All findings about files."""
    yield from _of_repairs(subject)
    yield from _missing(subject)
    yield from _unreadable(subject)
    yield from _wrong_suffix(subject)
    yield from _differ_by_case(subject)


def _of_repairs(subject: Subject) -> Iterator[Finding]:
    by_kind: dict[str, list[Repair]] = {}
    for repair in subject.repairs:
        by_kind.setdefault(repair.kind, []).append(repair)
    row_of = {name: row for row, name in enumerate(subject.dataset.images.names.tolist())}
    for kind, repairs in by_kind.items():
        if kind in _OF_REPAIRS:
            severity, hint = _OF_REPAIRS[kind]
            examples = [_example(subject, repair, row_of) for repair in repairs[:EXAMPLES]]
            yield from found(kind, severity, KINDS[kind], hint, examples, len(repairs))


def _example(subject: Subject, repair: Repair, row_of: dict[str, int]) -> Example:
    row = row_of.get(repair.image)
    if row is None:
        return Example(repair.image, repair.record, repair.detail)
    base = subject.image_example(row)
    return Example(repair.image, repair.record, repair.detail, subject.annotation_file(row), base.path)


def _missing(subject: Subject) -> Iterator[Finding]:
    """Listed images that don't exist, and what their boxes would change."""
    missing = subject.source.missing
    repairs = [repair for repair in subject.repairs if repair.kind == "no_file"]
    if not repairs:
        return
    boxes = 0 if missing is None else len(missing.boxes)
    all_boxes = boxes + len(subject.source.dataset.boxes)
    total = len(repairs) + len(subject.source.dataset.images)
    message = f"{len(repairs):,} of {total:,} listed pictures don't exist"
    if boxes:
        message += f", and with them {boxes:,} of {all_boxes:,} boxes: class counts change (see the table)"
    examples = [Example(one.image, "", one.detail) for one in repairs[:EXAMPLES]]
    hint = "bring the pictures, correct `data.images`, or leave them out of the annotations"
    severity: Severity = "error" if total == len(repairs) else "warning"
    yield from found("missing", severity, message, hint, examples, len(repairs))
    if missing is None or subject.known is None:
        return
    orphans = np.flatnonzero(subject.unknown)
    of_orphans = int(subject.unknown[missing.boxes.image].sum())
    yield from found(
        "orphans",
        "error",
        f"{len(orphans):,} listed pictures are in no list of known ones, and with them {of_orphans:,} of "
        f"{all_boxes:,} boxes: figures that depend on class frequency change (see the table)",
        "leave them out of the annotations before anything is counted",
        [Example(str(missing.images.names[row])) for row in orphans[:EXAMPLES].tolist()],
        len(orphans),
    )


def _unreadable(subject: Subject) -> Iterator[Finding]:
    empty: list[Example] = []
    broken: list[Example] = []
    for row, image_file in enumerate(subject.image_files):
        if image_file.problem:
            path = str(subject.dataset.images.paths[row])
            example = Example(str(subject.dataset.images.names[row]), "", image_file.problem, path)
            (empty if image_file.problem == "the file is empty" else broken).append(example)
    yield from found(
        "empty_file", "error", "picture files of zero bytes", "copy them again; they are left out", empty
    )
    yield from found(
        "unreadable",
        "error",
        "pictures that can't be read, are truncated or tiny",
        "copy or export them again; they are left out with their boxes",
        broken,
    )


def _wrong_suffix(subject: Subject) -> Iterator[Finding]:
    examples = []
    for row, image_file in enumerate(subject.image_files):
        suffix = PurePosixPath(str(subject.dataset.images.names[row])).suffix.lower()
        expected = _SUFFIXES.get(image_file.format)
        if not image_file.problem and expected and suffix not in expected:
            examples.append(subject.image_example(row, f"holds {image_file.format}"))
    yield from found(
        "wrong_suffix",
        "warning",
        "pictures whose suffix is of another format than their content",
        "rename them; some tools go by the suffix",
        examples,
    )


def _differ_by_case(subject: Subject) -> Iterator[Finding]:
    by_folded: dict[str, list[int]] = {}
    for row, name in enumerate(subject.dataset.images.names.tolist()):
        by_folded.setdefault(name.casefold(), []).append(row)
    examples = [
        subject.image_example(rows[0], _names(subject, rows)) for rows in by_folded.values() if len(rows) > 1
    ]
    yield from found(
        "names_differ_by_case",
        "warning",
        "names that differ in upper and lower case alone",
        "rename them: on Windows and macOS one file overwrites the other",
        examples,
    )


def _names(subject: Subject, rows: Sequence[int]) -> str:
    return ", ".join(str(subject.dataset.images.names[row]) for row in rows[:4])
