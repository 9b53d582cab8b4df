"""Findings about classes: unused, rare, missing from a split, names that are nearly equal."""

import re
from collections.abc import Iterator

import numpy as np

from bench.datasets.checks.finding import Example, Finding, found
from bench.datasets.checks.subject import Subject
from bench.layout import SPLITS

FEWEST = 10
"""Boxes; a class of fewer is hardly learnt, and its AP is decided by single boxes."""


def check(subject: Subject) -> Iterator[Finding]:
    """All findings about classes."""
    dataset = subject.dataset
    counts = np.bincount(dataset.boxes.label[subject.real], minlength=len(dataset.classes))
    if not len(dataset.images):
        return
    unused = [Example(detail=name) for name, count in zip(dataset.classes, counts, strict=True) if not count]
    yield from found(
        "unused_class",
        "warning",
        "classes without a box",
        "drop them with `data.classes`, or check the class list's order",
        unused,
    )
    rare = [
        Example(detail=f"{name}: {count}")
        for name, count in zip(dataset.classes, counts.tolist(), strict=True)
        if 0 < count < FEWEST
    ]
    yield from found(
        "rare_class",
        "warning",
        f"classes with fewer than {FEWEST} boxes",
        "annotate more, or merge or drop them with `data.classes`",
        rare,
    )
    yield from _missing_from_splits(subject)
    yield from _similar_names(dataset.classes)
    yield from _off_by_one(subject, int(counts[0]) if len(counts) else 0)


def _missing_from_splits(subject: Subject) -> Iterator[Finding]:
    dataset = subject.dataset
    if not subject.published:
        return
    split_of = dataset.images.splits[dataset.boxes.image[subject.real]]
    label = dataset.boxes.label[subject.real]
    used = np.unique(label)
    examples = []
    for number, split in enumerate(SPLITS):
        if (dataset.images.splits == number).any():
            absent = np.setdiff1d(used, label[split_of == number])
            examples += [Example(detail=f"{dataset.classes[one]}: none in {split}") for one in absent]
    yield from found(
        "class_missing_from_split",
        "warning",
        "classes that a split lacks",
        "split anew (`data.split.kind: grouped` or random spreads rare classes first), or annotate more",
        examples,
    )


def _similar_names(classes: tuple[str, ...]) -> Iterator[Finding]:
    by_plain: dict[str, list[str]] = {}
    for name in classes:
        by_plain.setdefault(plain(name), []).append(name)
    examples = [Example(detail=" / ".join(map(repr, same))) for same in by_plain.values() if len(same) > 1]
    yield from found(
        "similar_class_names",
        "warning",
        "class names that differ by case, spaces or dashes alone",
        "merge them with `data.classes`; `bench data convert --repair` does",
        examples,
    )


def plain(name: str) -> str:
    """A class name without what a slip changes: case, spaces, dashes and underscores."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def _off_by_one(subject: Subject, of_first: int) -> Iterator[Finding]:
    """Classes counted from 1 where they count from 0: the last is unknown, the first unused."""
    beyond = [
        message for message in subject.source.problems.counts if message.startswith("the class is beyond")
    ]
    if beyond and not of_first:
        count = subject.source.problems.counts[beyond[0]]
        yield from found(
            "classes_off_by_one",
            "error",
            "class numbers seem to count from 1: the first class is unused, one is beyond the last",
            "subtract 1 from each, or put the missing class first in `names`",
            [Example(detail=str(error)) for error in subject.source.problems.examples[beyond[0]]],
            count,
        )
