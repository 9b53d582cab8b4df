"""Findings about splits: the same or nearly the same image on both sides, groups that are cut, balance."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.data_config import SplitConfig
from bench.datasets.checks.finding import EXAMPLES, Example, Finding, found
from bench.datasets.checks.subject import Subject
from bench.datasets.perceptual_hash import NEAR, near_pairs
from bench.datasets.splits import assign
from bench.errors import DataError
from bench.layout import SPLITS

ALIKE = 16
"""Bits of 64. Of copies of one X-ray that were rotated, cropped and brightened before publication, 83 % have
another copy this near; of pairs of different X-rays, fewer than 1 % are."""

_GROUPED = "use `data.split.kind: grouped`, which keeps them in one split"


def check(subject: Subject) -> Iterator[Finding]:
    """All findings about splits."""
    contents = [one.sha256 or f"unread {row}" for row, one in enumerate(subject.image_files)]
    yield from _identical(subject, contents)
    yield from _near_duplicates(subject, contents)
    if subject.published:
        yield from _cut_groups(subject)
        yield from _balance(subject, contents or None)


def _identical(subject: Subject, contents: Sequence[str]) -> Iterator[Finding]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(contents):
        rows_of[content].append(row)
    twins = [rows for rows in rows_of.values() if len(rows) > 1]
    across = [rows for rows in twins if len({subject.split_names[row] for row in rows}) > 1]
    within = [rows for rows in twins if len({subject.split_names[row] for row in rows}) == 1]
    yield from found(
        "identical_across_splits",
        "error",
        "picture files that are byte-identical in several splits",
        f"delete the copies, or {_GROUPED}",
        [_together(subject, rows) for rows in across],
    )
    yield from found(
        "identical_within_split",
        "warning",
        "picture files that occur several times, byte-identical",
        "delete the copies; `bench data convert --repair` does",
        [_together(subject, rows) for rows in within],
    )


def _near_duplicates(subject: Subject, contents: Sequence[str]) -> Iterator[Finding]:
    """Pairs by perceptual hash that are neither identical nor of one group."""
    rows = np.array(
        [row for row, one in enumerate(subject.image_files) if one.perceptual_hash is not None],
        dtype=np.int64,
    )
    if len(rows) < 2:
        return
    hashes = np.array([subject.image_files[row].perceptual_hash for row in rows.tolist()], dtype=np.uint64)
    pairs = rows[near_pairs(hashes)]
    apart = [
        (one, other)
        for one, other in pairs.tolist()
        if contents[one] != contents[other] and subject.groups[one] != subject.groups[other]
    ]
    across = [pair for pair in apart if subject.split_names[pair[0]] != subject.split_names[pair[1]]]
    within = [pair for pair in apart if subject.split_names[pair[0]] == subject.split_names[pair[1]]]
    how = f"perceptual hashes that differ in at most {NEAR} of 64 bits"
    yield from found(
        "near_duplicates_across_splits",
        "warning",
        f"pairs of nearly identical pictures in different splits ({how}, other groups)",
        "look at them: frames of one film or shots of one scene belong in one split (`data.split.group`)",
        [_together(subject, pair) for pair in across[:EXAMPLES]],
        len(across),
    )
    yield from found(
        "near_duplicates_within_split",
        "info",
        f"pairs of nearly identical pictures ({how}, other groups)",
        "look at them: copies add nothing, and a random split would tear them apart",
        [_together(subject, pair) for pair in within[:EXAMPLES]],
        len(within),
    )


def _cut_groups(subject: Subject) -> Iterator[Finding]:
    """Groups with members in several splits, and how much of val and test that makes."""
    splits_of: dict[str, set[str]] = defaultdict(set)
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(subject.groups):
        splits_of[group].add(subject.split_names[row])
        rows_of[group].append(row)
    cut = sorted(group for group, splits in splits_of.items() if len(splits) > 1)
    if not cut:
        return
    parts = []
    for split in SPLITS[1:]:
        rows = [row for row, name in enumerate(subject.split_names) if name == split]
        leaked = sum("train" in splits_of[subject.groups[row]] for row in rows)
        if rows:
            parts.append(f"{leaked:,} of {len(rows):,} pictures in {split} ({leaked / len(rows):.0%})")
    alike = _look_alike(subject, [rows_of[group] for group in cut])
    doubt = (
        ""
        if alike is None
        else f"; in {alike:,} of these groups pictures on both sides look alike (perceptual hashes differ in "
        f"at most {ALIKE} of 64 bits)"
    )
    message = (
        f"{len(cut):,} of {len(splits_of):,} groups of pictures (rule: {subject.group}) are in more than one "
        f"split, so that {' and '.join(parts)} have a sibling in "
        f"train{doubt}"
    )
    examples = [_together(subject, rows_of[group]) for group in cut[:EXAMPLES]]
    if alike == 0:
        yield from found(
            "groups_across_splits",
            "warning",
            message,
            "look at the pairs: names can be equal by chance, where several folders were numbered alike. If "
            f"they are of one source, {_GROUPED}; if not, set a `data.split.group` that distinguishes them",
            examples,
            len(cut),
        )
    else:
        hint = f"{_GROUPED}: results on this split would be too good"
        yield from found("groups_across_splits", "error", message, hint, examples, len(cut))


def _look_alike(subject: Subject, groups: Sequence[Sequence[int]]) -> int | None:
    """Of groups in several splits, those with a pair across splits that looks alike; None without hashes."""
    count = 0
    for rows in groups:
        known = [
            row
            for row in rows
            if subject.image_files and subject.image_files[row].perceptual_hash is not None
        ]
        if not known:
            return None
        hashes = np.array([subject.image_files[row].perceptual_hash for row in known], dtype=np.uint64)
        splits = subject.dataset.images.splits[known]
        apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
        count += bool((apart[splits[:, None] != splits[None, :]] <= ALIKE).any())
    return count


def _balance(subject: Subject, contents: Sequence[str] | None) -> Iterator[Finding]:
    """How far each split's class shares are from those of all, and how far they would have to be."""
    dataset, splits = subject.dataset, subject.dataset.images.splits
    there = [number for number in range(len(SPLITS)) if (splits == number).any()]
    if len(there) < 2 or not subject.real.any():
        return
    now = _distance(subject, splits, there)
    sizes = [float((splits == number).mean()) for number in range(len(SPLITS))]
    try:
        config = SplitConfig(kind="grouped", val=sizes[1] or 0.15, test=sizes[2] or 0.15, group=subject.group)
        best = _distance(subject, assign(dataset, config, None, contents=contents)[0], there)
    except (DataError, ValueError):
        return
    worst = max(there, key=lambda number: now[number])
    if now[worst] > max(0.05, 2 * best[worst]):
        examples = [
            Example(
                detail=f"{SPLITS[number]}: {now[number]:.1%} of its boxes would have to be of another class; "
                f"{best[number]:.1%} in a stratified, grouped split of these sizes"
            )
            for number in there
        ]
        yield from found(
            "unbalanced_classes",
            "warning",
            f"split whose class shares are off: those of {SPLITS[worst]} are {now[worst]:.1%} away from "
            f"those of all pictures, where {best[worst]:.1%} is possible (total variation distance)",
            "split anew: `data.split.kind: grouped`",
            examples,
            1,
        )


def _distance(subject: Subject, splits: NDArray[np.int8], there: Sequence[int]) -> dict[int, float]:
    """Total variation distance between the class shares of each split and those of all boxes."""
    boxes = subject.dataset.boxes.take(subject.real)
    classes = len(subject.dataset.classes)
    overall = np.bincount(boxes.label, minlength=classes) / max(1, len(boxes))
    part = splits[boxes.image]
    return {
        number: float(
            np.abs(
                np.bincount(boxes.label[part == number], minlength=classes)
                / max(1, int((part == number).sum()))
                - overall
            ).sum()
            / 2
        )
        for number in there
    }


def _together(subject: Subject, rows: Sequence[int]) -> Example:
    """Several images as one example."""
    # The first image of another split, if there is one, is shown beside the first of all.
    first = rows[0]
    others = sorted(rows[1:], key=lambda row: subject.split_names[row] == subject.split_names[first])
    listed = ", ".join(f"{subject.dataset.images.names[row]}{_split(subject, row)}" for row in others[:3])
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    example = subject.image_example(first, f"{_split(subject, first).strip()} like {listed}{more}".strip())
    return replace(example, other_path=subject.image_example(others[0]).path)


def _split(subject: Subject, row: int) -> str:
    return f" ({subject.split_names[row]})" if subject.published else ""
